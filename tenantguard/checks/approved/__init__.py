"""The approved state: writing and reading tenancy.lock, and its differences from the current state."""
