"""SQL as applications write it, for each database: reports, lists, searches, upserts, clean-ups."""
