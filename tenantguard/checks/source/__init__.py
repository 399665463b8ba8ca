"""Source: what an application's Python files make, call and hand on, which are parsed and never imported."""
