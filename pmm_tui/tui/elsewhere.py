"""What the console is handed by who starts it: the desks that it shows, and what it may know of other runs and profiles."""

from pathlib import Path
from typing import Protocol

from msgspec import Struct

from pmm_tui.api.protocol import Args, Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Nanos


class Source(Protocol):
    """Where pictures come from and commands go: the api's client, or a test's stand-in."""

    def latest(self) -> Frame | None:
        """The newest picture."""
        ...

    def link(self) -> Link:
        """How the desk is reached."""
        ...

    async def command(self, cmd: str, args: Args) -> tuple[bool, str]:
        """Ask the desk; never raises for what it answers."""
        ...


class RunLine(Struct, frozen=True):
    """One run that has a socket."""

    run: str
    state: str
    """In words: what it is doing, or that it does not answer."""
    socket: Path
    answers: bool
    frame: Frame | None = None
    """The picture that it gave."""


class ProfileLine(Struct, frozen=True):
    """One profile that can be named."""

    name: str
    mode: str
    """PAPER | LIVE | REHEARSAL; empty where it cannot be read."""
    wrong: str
    """The first thing that is wrong with it; empty where nothing is."""


class PreflightLine(Struct, frozen=True):
    """The last preflight of a profile and a wallet."""

    at: Nanos
    against: str
    """Why it does not count now; empty where it does."""
    checks: tuple[tuple[str, bool, str], ...]
    """Name, whether it passed, and why or what it found."""


class Elsewhere(Protocol):
    """The other runs and profiles. The calls may take seconds: never made on the screen's own thread."""

    def runs(self) -> list[RunLine]:
        """The runs of this user."""
        ...

    def profiles(self) -> list[ProfileLine]:
        """The profiles, each checked."""
        ...

    def preflight(self, profile: str, account: str) -> PreflightLine | None:
        """The last preflight of a profile's name and a wallet's short form; None where there was none."""
        ...

    def start(self, profile: str) -> Path:
        """Start a paper desk; its socket. ValueError or OSError, whose text says it all, where it cannot be started."""
        ...
