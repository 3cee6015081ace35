"""Where every pane stands: the dashboard in its three layouts, the full screens, and what replaces it all where there is no room."""

from collections.abc import Collection
from typing import NamedTuple
from weakref import WeakKeyDictionary

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from pmm_tui.tui.keys import Keys
from pmm_tui.tui.rows import book, chart, compare, desk, duo, fills, foot, log, market, orders, risk, slim, top
from pmm_tui.tui.rows.lines import Builder, Panel
from pmm_tui.tui.state import Scene
from pmm_tui.tui.view import PANES
from pmm_tui.tui.widgets.pane import Pane

WIDE = (120, 36)
SMALLEST = (80, 24)
CURVE_S = 2.0
"""A curve over hours is drawn no oftener."""
SIDE_S = 0.25
"""What both desks come to, the position and the guards, while each desk goes on as before."""


class Face(NamedTuple):
    """One screen that a number key shows."""

    name: str
    builder: Builder | None
    """Draws the whole screen, frames and all. None: the dashboard, or a dialog."""


SCREENS = (
    Face("dashboard", None),
    Face("market", market.market),
    Face("orders", orders.orders),
    Face("fills", fills.fills),
    Face("risk", risk.risk),
    Face("log", log.log),
    Face("runs", None),
    Face("compare", compare.compare),
)
_BUILDERS: dict[str, Builder] = {
    "ladder": book.ladder,
    "orders": desk.orders,
    "fills": desk.fills,
    "position": desk.position,
    "guards": desk.guards,
    "equity": chart.equity,
    "log": desk.log,
}


def _present(builder: Builder) -> Builder:
    """The same of what is so now, where the display stands still."""
    return lambda scene, width, height: builder(scene.present, width, height)


def compose(foot_: "Foot") -> ComposeResult:
    """Every pane of every layout; the style sheet chooses."""
    yield Pane(_present(top.banner), "bare", id="banner", fades=False)
    yield Pane(top.strip, "bare", id="strip", fades=False)
    yield Pane(duo.duo, id="duo", pace_s=SIDE_S)
    with Horizontal(id="kpi"):
        yield Pane(top.safe)
        yield Pane(top.money)
        yield Pane(top.quotes)
    yield Pane(slim.summary, "bare", id="summary")
    yield Pane(_present(desk.kill), id="kill", fades=False)
    yield Pane(foot_.markets, id="markets")
    with Horizontal(id="middle"):
        yield _pane("ladder")
        with Vertical(id="trades"):
            yield _pane("orders")
            yield _pane("fills")
        with Vertical(id="side"):
            yield _pane("position", SIDE_S)
            yield _pane("guards", SIDE_S)
    with Horizontal(id="bottom"):
        yield Pane(chart.equity, id="equity", pace_s=CURVE_S)
        yield _pane("log")
    yield Pane(foot_.markets, id="zoom")
    yield Pane(foot_.footer, "bare", id="footer", fades=False)
    yield Pane(foot_.small, "bare", id="small", fades=False)


def _pane(name: str, pace_s: float = 0.0) -> Pane:
    return Pane(_BUILDERS[name], id=name, pace_s=pace_s)


class Foot:
    """The foot of the screen, and what else names keys, with those of now."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def footer(self, scene: Scene, width: int, height: int) -> Panel:
        """What was last answered, and the keys."""
        return foot.footer(replace(scene.present, frozen=scene.frozen), width, height, self.keys)

    def markets(self, scene: Scene, width: int, height: int) -> Panel:
        """The table of markets."""
        return book.markets(scene, width, height, self.keys)

    def orders(self, scene: Scene, width: int, height: int) -> Panel:
        """The screen of orders."""
        return orders.orders(scene, width, height, self.keys)

    def fills(self, scene: Scene, width: int, height: int) -> Panel:
        """The screen of fills."""
        return fills.fills(scene, width, height, self.keys)

    def screen(self, number: int) -> Builder | None:
        """What draws a whole screen: one that names keys, with those of now."""
        face = SCREENS[number - 1]
        return {"orders": self.orders, "fills": self.fills}.get(face.name, face.builder)

    def small(self, scene: Scene, width: int, height: int) -> Panel:
        """The face of a screen that is too small."""
        return foot.small(replace(scene.present, frozen=scene.frozen), width, height, self.keys)


_HEIGHTS: WeakKeyDictionary[Screen[object], int] = WeakKeyDictionary()
"""The rows that each screen was last laid out for: the screen itself knows them only later."""
_BOXES = {
    "trades": ("orders", "fills"),
    "side": ("position", "guards"),
    "middle": ("ladder", "trades", "side"),
    "bottom": ("equity", "log"),
}
"""What stands in each box, the inner boxes first."""


def show_only(base: Screen[object], panes: Collection[str]) -> None:
    """Show these panes of the dashboard, and let them have the room of the others; all of them where none is named."""
    hidden = {name for name in PANES if panes and name not in panes}
    for box, inside in _BOXES.items():
        hidden |= {box} if hidden.issuperset(inside) else set()
    for name in (*PANES, *_BOXES):
        base.query_one(f"#{name}").set_class(name in hidden, "off")
        base.set_class(name in hidden, f"no-{name}")
    base.set_class(bool(panes), "arranged")


def lay_out(base: Screen[object], width: int, height: int, desks: int) -> None:
    """Choose the layout for a size."""
    _HEIGHTS[base] = height
    small = width < SMALLEST[0] or height < SMALLEST[1]
    wide = width >= WIDE[0] and height >= WIDE[1]
    base.set_class(small, "small")
    base.set_class(not small and not wide, "compact")
    base.set_class(wide and height < 44, "short")
    base.set_class(desks > 1, "two")
    base.query_one("#duo", Pane).frame = "box" if wide else "bare"
    for pane in base.query(f"#{', #'.join((*PANES, 'kill'))}").results(Pane):
        pane.frame = "box" if wide else "rule"


def fill(base: Screen[object], screen: Builder | None, pane: str, zoomed: bool) -> None:
    """Show a screen, the dashboard, or one of its panes as large as the screen; mark the chosen pane."""
    builder = base.query_one(f"#{pane}", Pane).builder if zoomed and pane else screen
    base.set_class(builder is not None, "zoomed")
    if builder is not None:
        large = base.query_one("#zoom", Pane)
        large.builder = builder
        large.frame = "bare" if not zoomed else "rule" if base.has_class("compact") else "box"
    for one in base.query(f"#{', #'.join(PANES)}").results(Pane):
        one.chosen = one.id == pane and builder is None


EDGES = 4
"""Banner, strip and footer."""
DUO, DUO_SHORT, KPI = 10, 7, 7
TABLE, LADDER, BOTTOM = 8, 16, 5
"""What the markets, the middle and the curves of a wide dashboard keep: the middle five levels a side, the mid, head, foot and frame."""
LADDER_OFF = 10
"""What the middle keeps without a ladder."""


def settle(base: Screen[object], markets: int, kill: int) -> None:
    """Heights that depend on how many markets there are and on the kill switch: changed seldom, never by a number moving.

    Two desks beside each other tell of a kill in their own box, which is large enough for it; one desk, or little room, takes a pane.
    Where that leaves no room for a ladder, the curves and events go.
    """
    compact, short, two = (base.has_class(name) for name in ("compact", "short", "two"))
    table, steps, duo, bottom = (base.query_one(f"#{name}") for name in ("markets", "kill", "duo", "bottom"))
    base.set_class(bool(kill) and short and not base.has_class("arranged"), "tight")
    pane = bool(kill) and (compact or not two)
    base.set_class(pane, "killed")
    steps.styles.height = kill + (1 if compact else 2)
    if compact:
        duo.styles.height, bottom.styles.height = 2, BOTTOM + 1
        table.styles.height = min(max(1, markets), 1 if kill else 4) + 2
    else:
        high = DUO_SHORT if short and not kill else DUO
        room = _HEIGHTS[base] - EDGES - (high if two else KPI) - (kill + 2) * pane
        full = min(max(1, markets), 8) + 3
        bare = base.has_class("no-ladder")
        keep, most = (LADDER_OFF, 11) if bare else (LADDER, 6 if short else 11)
        low = 0 if base.has_class("tight") else max(BOTTOM, min(most, room - full - keep))
        duo.styles.height, bottom.styles.height = high, low
        table.styles.height = max(min(full, TABLE), min(full, room - low - keep))
    if base.has_class("no-middle"):
        bottom.styles.height = "1fr"
        table.styles.height = "1fr" if base.has_class("no-bottom") else min(max(1, markets), 8) + (2 if compact else 3)
