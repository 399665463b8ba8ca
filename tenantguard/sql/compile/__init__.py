"""Compilation: what becomes of a statement, once for each of its shapes."""
