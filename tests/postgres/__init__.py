"""Tests of row security: the policies, the seal, and how the tenant travels."""
