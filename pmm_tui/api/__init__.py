"""Snapshots out, instructions in: the only way a face talks to a desk."""
