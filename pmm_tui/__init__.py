"""pmm-tui: a terminal trading console for market making on Polymarket."""

__version__ = "0.1.0"
