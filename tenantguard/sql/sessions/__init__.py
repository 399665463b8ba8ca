"""Sessions: the tenant whose rows an ORM session holds."""
