"""Hostile writes and their legitimate twins: spellings of a value, forms of a write, states of a session."""
