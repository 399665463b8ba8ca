"""Adopting: what a team with an existing service is told: how its tables belong, and what has to change where."""
