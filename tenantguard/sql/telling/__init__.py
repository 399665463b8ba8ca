"""The tenant's settings for PostgreSQL: their content, their seal, and how each driver sends them."""
