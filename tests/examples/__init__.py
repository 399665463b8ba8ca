"""The example, the README, and small applications in other styles."""
