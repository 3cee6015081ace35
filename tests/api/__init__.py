"""The api: what it serves, whom it lets in, and what many clients cost."""
