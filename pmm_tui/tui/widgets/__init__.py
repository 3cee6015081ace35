"""The one widget of the console: rows in, changed lines out."""
