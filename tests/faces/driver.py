"""A console under test with its fakes at hand: keys pressed at chosen moments, phrases typed letter by letter."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from textual import events
from textual.pilot import Pilot

from pmm_tui.core.snapshot import Frame
from pmm_tui.tui import format as f
from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.keys import KEYS, call
from pmm_tui.tui.state import Scene
from tests.faces.fake_desk import UP, FakeClock, FakeSource
from tests.faces.pictures import NOW

COMPACT = (80, 24)


class Desk:
    """A console under test, with its fakes at hand."""

    def __init__(self, app: PmmApp, source: FakeSource, clock: FakeClock, pilot: Pilot[None]) -> None:
        self.app, self.source, self.clock, self.pilot = app, source, clock, pilot

    async def press(self, *keys: str, apart: float = 0.2) -> None:
        """Keys pressed `apart` seconds from each other."""
        for key in keys:
            self.clock.now += apart
            await self.pilot.press(key)
        await self.pilot.pause()

    async def type(self, words: str, apart: float = 0.2) -> None:
        """A phrase, letter by letter."""
        for char in words:
            self.clock.now += apart
            self.app.screen.post_message(events.Key("space" if char == " " else char, char))
            await self.pilot.pause()

    @property
    def said(self) -> str:
        """The answer in the footer."""
        return self.app.scene.message[1]


@asynccontextmanager
async def desk(frame: Frame | None, size: tuple[int, int] = COMPACT, **more: Any) -> AsyncIterator[Desk]:
    """A running console; `more` as its constructor takes it."""
    source, clock = FakeSource(frame), FakeClock()
    app = PmmApp(source, clock=clock, wall=lambda: NOW, pull_s=0, **more)
    async with app.run_test(size=size) as pilot:
        app.pull()
        await pilot.pause()
        try:
            yield Desk(app, source, clock, pilot)
        finally:
            f.show_local(False)  # one for the whole process, as the names of the keys are
            call(KEYS)


def scene(frame: Frame | None) -> Scene:
    """A scene at the tests' moment."""
    return Scene(frame, UP, 0, NOW)
