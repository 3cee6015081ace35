"""Every face of the dashboard, as it looked when a person last judged it: colours in an SVG, text in a grid beside it."""

import unicodedata
from collections.abc import Callable

import pytest
from msgspec.structs import replace
from rich.cells import cell_len
from textual.pilot import Pilot

from pmm_tui.api.protocol import Link
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.widgets.pane import Pane
from tests.faces import pictures, scenes
from tests.faces.conftest import GRIDS, Screen, console, grid
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


@pytest.mark.parametrize("face", ["quoting", "live", "killed"])
def test_dashboard_in_colour(screen: Screen, face: str) -> None:
    make, link = FACES[face]
    screen(make(), WIDE, link)


@pytest.mark.parametrize(("times", "theme"), enumerate(["light", "cb", "mono", "ansi"], 1))
def test_themes_in_colour(screen: Screen, times: int, theme: str) -> None:
    screen(pictures.alert(), MIDDLE, keys=("T",) * times)


@pytest.mark.parametrize("face", ["held", "disconnected"])
def test_compact_in_colour(screen: Screen, face: str) -> None:
    make, link = FACES[face]
    screen(make(), COMPACT, link)


def test_hostile(screen: Screen) -> None:
    screen(pictures.hostile(), WIDE)


def test_help(screen: Screen) -> None:
    screen(pictures.tape(), COMPACT, keys=("question_mark",))


def test_flatten_dialog(screen: Screen) -> None:
    screen(pictures.three(), WIDE, keys=("F",))


def test_reset_dialog_live(screen: Screen) -> None:
    frame = pictures.killed()
    screen(type(frame)(pictures.live().card, frame.snapshot), COMPACT, keys=("R",))


def _stored(request: pytest.FixtureRequest, name: str, text: str) -> None:
    """Compare a screen with its stored grid; --snapshot-update writes it."""
    path = GRIDS / f"{name}.txt"
    if request.config.option.update_snapshots:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text(), f"the grid differs from {path.name}"


@pytest.mark.parametrize("size", [WIDE, MIDDLE, COMPACT, SMALL], ids=["160x48", "120x36", "80x24", "60x12"])
async def test_dashboard(request: pytest.FixtureRequest, size: tuple[int, int]) -> None:
    faces = FACES | {"three": (pictures.three, UP), "tape": (pictures.tape, UP), "resolved": (pictures.resolved, UP)}
    app, source, _ = console(None)
    async with app.run_test(size=size) as pilot:
        for face, (make, link) in faces.items():
            source.frame, source.now_link = make(), link
            app.pull()
            await pilot.pause()
            _stored(request, f"dashboard/{size[0]}x{size[1]}-{face}", grid(app))


def _killed_production() -> Frame:
    frame, killed = scenes.production(), pictures.killed().snapshot
    rows = tuple(replace(row, state="killed", why="kill switch") for row in frame.snapshot.markets)
    changed = replace(frame.snapshot, phase="killed", why=killed.why, kill=killed.kill, markets=rows, orders=())
    return replace(frame, snapshot=changed)


BESIDE: dict[str, tuple[Callable[[], Frame | None], Link]] = {
    "quoting": (scenes.production, UP),
    "killed": (_killed_production, UP),
    "lost": (scenes.production, LOST),
    "restarting": (lambda: scenes.venue("restarting"), UP),
    "none": (nothing, NEVER),
}
"""What stands beside a paper desk that is well."""


@pytest.mark.parametrize("size", [WIDE, MIDDLE, COMPACT, SMALL], ids=["160x48", "120x36", "80x24", "60x12"])
async def test_two_desks(request: pytest.FixtureRequest, size: tuple[int, int]) -> None:
    paper, live = FakeSource(pictures.three()), FakeSource(None)
    app = PmmApp(paper, live, clock=FakeClock(), wall=lambda: NOW, pull_s=0)
    async with app.run_test(size=size) as pilot:
        for face, (make, link) in BESIDE.items():
            live.frame, live.now_link = make(), link
            app.pull()
            await pilot.pause()
            _stored(request, f"dashboard/{size[0]}x{size[1]}-both-{face}", grid(app))


def test_two_desks_in_colour(snap_compare: Callable[..., bool]) -> None:
    app = PmmApp(FakeSource(pictures.three()), FakeSource(_killed_production()), clock=FakeClock(), wall=lambda: NOW, pull_s=0)

    async def before(pilot: Pilot[None]) -> None:
        app.pull()
        await pilot.pause()

    assert snap_compare(app, terminal_size=WIDE, run_before=before)


async def test_modes_of_the_console_itself(request: pytest.FixtureRequest) -> None:
    source = FakeSource(pictures.three())
    app = PmmApp(source, clock=FakeClock(), wall=lambda: NOW, pull_s=0, read_only=True)
    async with app.run_test(size=COMPACT) as pilot:
        app.pull()
        await pilot.press("w")
        await pilot.pause()
        _stored(request, "dashboard/80x24-frozen-read-only", grid(app))
        source.frame = pictures.killed()
        app.pull()
        await pilot.pause()
        assert "KILLED" not in grid(app), "a frozen display shows what it showed"
        await pilot.press("w")
        await pilot.pause()
        assert "KILLED" in grid(app)


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
