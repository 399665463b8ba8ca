"""One request: what a middleware adds to a route that does nothing."""
