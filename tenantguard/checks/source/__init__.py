"""Source: what an application's Python files make, call and hand on, read with libcst and never imported."""
