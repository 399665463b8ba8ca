"""Execution: sending statements, and verifying them before and after."""
