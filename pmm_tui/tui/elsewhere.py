"""What lies outside the desks that are shown: other runs, profiles, and the ways to reach them. Handed in by who starts the console."""

from pathlib import Path
from typing import Protocol

from msgspec import Struct


class RunLine(Struct, frozen=True):
    """One run that has a socket."""

    run: str
    state: str
    """In words: what it is doing, or that it does not answer."""
    socket: Path
    answers: bool


class ProfileLine(Struct, frozen=True):
    """One profile that can be named."""

    name: str
    mode: str
    """PAPER | LIVE; empty where it cannot be read."""
    wrong: str
    """The first thing that is wrong with it; empty where nothing is."""


class Elsewhere(Protocol):
    """The other runs and profiles. The calls may take seconds: never made on the screen's own thread."""

    def runs(self) -> list[RunLine]:
        """The runs of this user."""
        ...

    def profiles(self) -> list[ProfileLine]:
        """The profiles, each checked."""
        ...

    def start(self, profile: str) -> Path:
        """Start a paper desk; its socket. ValueError or OSError, whose text says it all, where it cannot be started."""
        ...
