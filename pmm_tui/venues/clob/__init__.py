"""The production venue: real orders on Polymarket's CLOB."""
