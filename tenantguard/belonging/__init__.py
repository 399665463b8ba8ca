"""Belonging: how each table of an application is placed, and what is wrong where one cannot be."""
