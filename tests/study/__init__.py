"""What a run says of itself, and what two runs say of each other."""
