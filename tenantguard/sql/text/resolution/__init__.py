"""The resolution of names: which tables and columns they mean, where predicates go, and what is verified."""
