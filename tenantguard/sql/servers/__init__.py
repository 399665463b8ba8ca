"""Servers: the versions that the guard is tested on, and the row security of the database."""
