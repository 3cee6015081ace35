"""Tapes, journals, replay and the seeded simulation."""
