"""Rules: the kinds of findings, by the place where they occur."""
