"""Execution: what is sent to the database, and what is verified before and after."""
