"""Placement of an application's tables: how each belongs, and why one cannot be placed."""
