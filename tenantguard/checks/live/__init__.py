"""Checks of the live database against the models."""
