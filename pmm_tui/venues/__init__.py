"""Where commands go."""
