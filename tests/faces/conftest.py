"""Screens that are the same everywhere: no colour or theme from outside, no clock, no timer; an SVG and a plain grid for each."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from pmm_tui.api.protocol import Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.app import PmmApp
from tests.faces.fake_desk import UP, FakeClock, FakeSource
from tests.faces.pictures import NOW

GRIDS = Path(__file__).parent / "grids"
Before = Callable[[Pilot[None]], Awaitable[None]]
Screen = Callable[..., None]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both change every screen."""
    for name in ("NO_COLOR", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    yield


def console(frame: Frame | None, link: Link = UP, clock: FakeClock | None = None) -> tuple[PmmApp, FakeSource, FakeClock]:
    """A console on a fake desk, without a timer."""
    source, clock = FakeSource(frame, link), clock or FakeClock()
    return PmmApp(source, clock=clock, wall=lambda: NOW, pull_s=0), source, clock


def grid(app: PmmApp) -> str:
    """The screen as plain text, one line a row."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips()) + "\n"


@pytest.fixture
def screen(request: pytest.FixtureRequest, snap_compare: Callable[..., bool]) -> Screen:
    """Compare a console's screen with its stored SVG and its stored grid; --snapshot-update writes both."""

    def compare(frame: Frame | None, size: tuple[int, int], link: Link = UP, keys: tuple[str, ...] = ()) -> None:
        app, _, _ = console(frame, link)
        seen: list[str] = []

        async def before(pilot: Pilot[None]) -> None:
            app.pull()
            await pilot.pause()
            if keys:
                await pilot.press(*keys)
                await pilot.pause()
            seen.append(grid(app))

        same = snap_compare(app, terminal_size=size, run_before=before)
        path = GRIDS / f"{request.node.name.removeprefix('test_').replace('[', '-').replace(']', '')}.txt"
        if request.config.option.update_snapshots:
            path.parent.mkdir(exist_ok=True)
            path.write_text(seen[0])
        assert seen[0] == path.read_text(), f"the grid differs from {path.name}"
        assert same, "the colours differ from the stored SVG"

    return compare
