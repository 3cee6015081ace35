"""The dashboard at any size: it fills the screen exactly, steers no terminal, moves nothing, and takes texts that attack it."""

import unicodedata
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from rich.cells import cell_len

from pmm_tui.api.protocol import Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.widgets.pane import Pane
from tests.faces import pictures
from tests.faces.conftest import Screen, console, grid
from tests.faces.fake_desk import ENDED, LOST, NEVER, UP, FakeClock, FakeSource
from tests.faces.pictures import NOW

WIDE, MIDDLE, COMPACT, SMALL = (160, 48), (120, 36), (80, 24), (60, 12)


def nothing() -> None:
    """No picture at all."""
    return


FACES: dict[str, tuple[Callable[[], Frame | None], Link]] = {
    "never": (nothing, NEVER),
    "waiting": (pictures.waiting, UP),
    "quoting": (pictures.quoting, UP),
    "held": (pictures.held, UP),
    "alert": (pictures.alert, UP),
    "killing": (pictures.killing, UP),
    "killed": (pictures.killed, UP),
    "paused": (pictures.paused, UP),
    "disconnected": (pictures.quoting, LOST),
    "live": (pictures.live, UP),
    "ended": (pictures.tape, ENDED),
}


def test_hostile(screen: Screen) -> None:
    screen(pictures.hostile(), WIDE)


async def test_a_frozen_read_only_console_says_both_and_holds_back_no_kill() -> None:
    source = FakeSource(pictures.three())
    app = PmmApp(source, clock=FakeClock(), wall=lambda: NOW, pull_s=0, read_only=True)
    async with app.run_test(size=COMPACT) as pilot:
        app.pull()
        await pilot.press("w")
        await pilot.pause()
        assert "FROZEN" in grid(app) and "READ-ONLY" in grid(app)
        source.frame = pictures.killed()
        app.pull()
        await pilot.pause()
        assert "KILLED" in grid(app) and "FROZEN" not in grid(app), "a kill is never held back"


EVERY: dict[str, Callable[[], Frame | None]] = {
    name: make for name, (make, _) in FACES.items()
} | {"three": pictures.three, "tape": pictures.tape, "resolved": pictures.resolved, "hostile": pictures.hostile}  # fmt: skip


@pytest.mark.parametrize("size", [(250, 70), (160, 48), (121, 37), (119, 36), (80, 24), (79, 23), (40, 8), (20, 5), (3, 2), (1, 1)])
async def test_every_face_fills_every_size_exactly_and_no_control_reaches_the_terminal(size: tuple[int, int]) -> None:
    app, source, _ = console(None)
    async with app.run_test(size=size) as pilot:
        for name, make in EVERY.items():
            source.frame = make()
            app.pull()
            await pilot.pause()
            text = grid(app)
            rows = text.splitlines()
            assert len(rows) == size[1], name
            assert {cell_len(row) for row in rows} == {size[0]}, name
            assert not [char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")], name


async def test_a_resize_changes_the_layout_and_back() -> None:
    app, _, _ = console(pictures.quoting())
    async with app.run_test(size=WIDE) as pilot:
        app.pull()
        await pilot.pause()
        wide = grid(app)
        for size, word in ((COMPACT, "eq $512.40"), (SMALL, "Too small"), (WIDE, "Making money?")):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert word in grid(app)
        assert grid(app) == wide


async def test_a_moving_number_paints_its_row_and_moves_nothing() -> None:
    frame = pictures.quoting()
    app, source, _ = console(frame)
    async with app.run_test(size=WIDE) as pilot:
        app.pull()
        await pilot.pause()
        panes = list(app.query(Pane))
        regions = [pane.region for pane in panes]
        before = sum(pane.painted for pane in panes)
        app.pull()
        assert sum(pane.painted for pane in panes) == before, "the same picture paints nothing"
        row = replace(frame.snapshot.markets[0], health=replace(frame.snapshot.markets[0].health, age_ms=1_234_567))
        source.frame = replace(frame, snapshot=replace(frame.snapshot, markets=(row,)))
        layouts = app.screen._layout_required
        app.pull()
        painted = sum(pane.painted for pane in panes) - before
        await pilot.pause()
        assert 2 <= painted <= 4, "the market's row (shown, and twice out of sight) and the ladder's health row"
        assert not layouts and [pane.region for pane in panes] == regions
