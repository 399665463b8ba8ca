"""Rules: the kinds of findings, by where they are found."""
