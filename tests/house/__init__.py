"""The house rules as code: a rule reads the pages of the project and yields what breaks it, by file and line."""

from tests.house import rooms, shapes, writing

__all__ = ["rooms", "shapes", "writing"]
