"""The one place where things are joined."""
