"""A call centre for many companies: FastAPI, async SQLAlchemy, and the guard in ten lines of ``app.py``."""
