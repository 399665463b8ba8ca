"""Adoption: how the tables of an existing service belong, and what has to change where."""
