"""Recipes: the code of the pages in docs/recipes, each a file that tests run."""
