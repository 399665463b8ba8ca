"""Random SQLAlchemy programs over any MetaData."""
