"""Servers: which versions the guard is proven on, and row security underneath."""
