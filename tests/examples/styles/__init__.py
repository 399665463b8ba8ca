"""Applications as people write them, with nothing of tenantguard in them."""
