"""Strategies: each is one function from a view to wishes."""
