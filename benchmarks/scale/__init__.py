"""What grows with the number of tables, tenants, tokens, statements and tasks, and what stays flat."""
