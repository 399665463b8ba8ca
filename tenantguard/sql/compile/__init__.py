"""Compilation: the changes to a statement, made once per statement shape."""
