"""What the keys choose of the market screen's ladder and of the dashboard's panes."""

from typing import TYPE_CHECKING

from pmm_tui.tui import format as f
from pmm_tui.tui.dialogs.pick import Menu
from pmm_tui.tui.layout import SCREENS, settle, show_only
from pmm_tui.tui.rows.book import listed
from pmm_tui.tui.rows.desk import kill_height
from pmm_tui.tui.rows.lines import Row
from pmm_tui.tui.view import DEPTHS, Layout

if TYPE_CHECKING:
    from pmm_tui.tui.app import PmmApp


def side(app: "PmmApp", other: bool) -> None:
    """The book of YES or of NO."""
    app.view.no_side, app.view.shift = other, 0
    row = app.scene.market
    app.say(f"the book of {f.said(row.outcomes[other], 20).strip()}" if row is not None else "no market is selected")


def depth(app: "PmmApp", levels: int | None = None) -> None:
    """More or fewer levels of the ladder."""
    view = app.view
    view.depth = DEPTHS[(DEPTHS.index(view.depth) + 1) % len(DEPTHS)] if levels is None else levels
    app.say(f"{view.depth or 'all'} levels a side, as far as they fit")


def centre(app: "PmmApp") -> None:
    """The ladder round the mid."""
    app.view.shift = 0
    app.say("the ladder is round the mid; pgdn and pgup move it")


def unit(app: "PmmApp") -> None:
    """Prices as probabilities, or in cents."""
    app.view.probability = not app.view.probability
    app.say("prices are probabilities, from 0 to 1" if app.view.probability else "prices are cents")


def bars(app: "PmmApp") -> None:
    """The ladder's bars by the logarithm of the size, or linear."""
    app.view.log_bars = not app.view.log_bars
    app.say("bars grow with the logarithm of the size" if app.view.log_bars else "bars grow with the size")


def arrange(app: "PmmApp", number: int) -> None:
    """A layout by its number."""
    layout = app.config.layouts[number]
    app.view.take(number, layout)
    base = app.screen_stack[0]
    show_only(base, layout.panes)
    settle(base, len(listed(app.scene, app.size.width - 4)), kill_height(app.scene))
    app.relay()
    app.say(f"layout {number}: {f.clean(layout.name)}")


def pick_layout(app: "PmmApp") -> None:
    """All layouts; a digit takes one at once."""
    lines: dict[str, Row] = {
        str(number): ((f.said(one.name, 14), "ours" if number == app.view.layout else "bold"), (f" {_told(one)}", "dim"))
        for number, one in sorted(app.config.layouts.items())
    }
    app.push_screen(Menu("Layout", lines, app.scene), lambda answer: arrange(app, int(answer)) if answer else None)


def _told(layout: Layout) -> str:
    """What a layout shows, in words."""
    where = "all panes" if not layout.panes else " ".join(layout.panes)
    what = [where if layout.screen == 1 else f"the {SCREENS[layout.screen - 1].name} screen"]
    what += [f"{layout.depth} levels"] * bool(layout.depth) + ["log bars"] * (layout.bars == "log")
    return ", ".join([*what, *["probabilities"] * (layout.units == "probability")])
