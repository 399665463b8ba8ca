"""The table of statement forms: what SQLAlchemy can express, and what the guard does with it."""
