"""Applications that show the library at work."""
