"""Sessions: whose rows an ORM session holds."""
