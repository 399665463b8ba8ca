"""What was approved: tenancy.lock, how it is written and read, and how it differs from what is."""
