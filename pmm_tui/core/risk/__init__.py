"""Reviewers that hold or shrink wishes, and the kill switch."""
