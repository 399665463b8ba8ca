"""The grammar: which queries, tables and values a statement is made of. It knows nothing of tenants."""
