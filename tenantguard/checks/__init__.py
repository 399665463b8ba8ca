"""Checks: what is found in models, in source and in a live database, before and after an engine is guarded."""
