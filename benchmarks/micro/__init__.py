"""One statement at a time: what each way of isolating companies adds to it."""
