"""Telling PostgreSQL the tenant: what is told, how it is sealed, and how it travels with each driver."""
