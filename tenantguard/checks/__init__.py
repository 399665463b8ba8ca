"""Checks: findings in models, source and a live database, before and after an engine is guarded."""
