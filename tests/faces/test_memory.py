"""What the console lets go of: closed dialogs, what the libraries remember of them, and strips that the brush has painted over."""

import gc
import random
import weakref

import pytest
from rich.cells import cached_cell_len
from textual.geometry import Region
from textual.widget import Widget

from pmm_tui.tui import memory
from pmm_tui.tui.dialogs.question import Help
from pmm_tui.tui.widgets.pane import Pane
from tests.faces import pictures
from tests.faces.driver import desk
from tests.faces.test_brush import SIZE, opened, settled, shaken


async def test_a_closed_dialog_and_what_the_libraries_remember_of_it_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "SWEEP_S", 0.01)
    async with desk(pictures.three()) as console:
        await console.pilot.press("?")
        assert isinstance(console.app.screen, Help)
        gone = weakref.ref(console.app.screen)
        await console.pilot.press("escape")
        await console.pilot.pause(0.1)
        gc.collect()
        assert gone() is None
        assert {"rich", "textual"} == {one.__module__.partition(".")[0] for one in memory._remembered} and len(memory._remembered) > 30
        assert cached_cell_len in memory._remembered and cached_cell_len("a text") == 6
        memory.sweep(console.app)
        assert cached_cell_len.cache_info().currsize == 0


@pytest.mark.parametrize("look", ["dark", "light", "mono", "ansi"])
async def test_a_pane_gives_the_lines_that_the_librarys_own_way_would(look: str) -> None:
    async with desk(pictures.three(), SIZE) as console:
        console.app.dress(look)
        await console.pilot.pause()
        panes = [pane for pane in console.app.screen.query(Pane) if pane.region.width > 8]
        assert len(panes) > 5
        for pane in panes:
            width, height = pane.size
            for crop in (Region(0, 0, width, height), Region(3, 0, width - 5, 1)):
                pane._styles_cache.clear()
                assert pane.render_lines(crop) == Widget.render_lines(pane, crop)


async def test_strips_that_the_brush_has_painted_over_are_not_kept() -> None:
    app, (source,) = opened(pictures.three())
    async with app.run_test(headless=False, size=SIZE) as pilot:
        await settled(app, pilot)
        panes = list(app.screen.query(Pane))
        assert sum(strip is not None for pane in panes for strip in pane._strips) > 30, "the library has just painted"
        source.frame = shaken(pictures.three(), random.Random(1))
        app.pull()
        changed = [pane for pane in panes if not pane._kept]
        assert len(changed) > 3 and not any(strip for pane in changed for strip in pane._strips)


async def test_what_pictures_leave_in_cycles_is_let_go_without_a_dialog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "TIDY_S", 0.05)
    async with desk(pictures.three()) as console:
        left = [Pane(lambda *_: None)]  # type: ignore[arg-type]  # it is never asked
        left[0].tooltip = left  # type: ignore[assignment]  # no tooltip, but a cycle
        gone = weakref.ref(left[0])
        del left
        await console.pilot.pause(0.3)
        assert gone() is None
