"""Placements: which tables and columns the names of a statement mean, where predicates go, and what is verified."""
