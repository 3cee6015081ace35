"""A desk stand-in for the faces' tests: a source with a fake clock for the screens, and a board behind the real api for the connection."""

import math

from msgspec.structs import replace

from pmm_tui.api.protocol import Args, Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import MILLI, Nanos
from tests.faces.pictures import NOW

UP = Link(True, 0.04)
LOST = Link(False, 12.3, "no desk, its socket answers nobody", 4)
ENDED = Link(False, 12.3, "no desk, its socket is not there", 4, ended=True)
NEVER = Link(False, math.inf, "no desk, its socket is not there", 2)


class FakeSource:
    """A source whose frame, link and answers the test sets; `asked` keeps every command."""

    def __init__(self, frame: Frame | None, link: Link = UP) -> None:
        self.frame = frame
        self.now_link = link
        self.asked: list[tuple[str, Args]] = []
        self.answers: dict[str, tuple[bool, str]] = {}

    def latest(self) -> Frame | None:
        """What the test put there."""
        return self.frame

    def link(self) -> Link:
        """What the test put there."""
        return self.now_link

    async def command(self, cmd: str, args: Args) -> tuple[bool, str]:
        """Remember it; answer as told."""
        self.asked.append((cmd, dict(args)))
        return self.answers.get(cmd, (True, "done"))


class FakeClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class FakeBoard:
    """A board for the real api: counts frames asked for, answers commands."""

    def __init__(self, frame: Frame) -> None:
        self.now = frame
        self.taken: list[tuple[str, Args, str]] = []
        self.frames = 0

    def frame(self) -> Frame:
        """The picture, with a new sequence number each time."""
        self.frames += 1
        return replace(self.now, snapshot=replace(self.now.snapshot, seq=self.frames, at=Nanos(NOW + self.frames * MILLI)))

    async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        """Take it."""
        self.taken.append((cmd, args, actor))
        return cmd != "speed", f"{cmd}: {'no tape' if cmd == 'speed' else 'done'}"
