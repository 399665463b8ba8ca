"""The second example: an ordinary service for many companies."""
