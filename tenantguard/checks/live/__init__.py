"""The live database: what it holds and says, beside what the models say."""
