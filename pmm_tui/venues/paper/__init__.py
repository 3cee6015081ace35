"""The simulated venue: pure matching in an async coat."""
