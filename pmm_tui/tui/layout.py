"""Where every pane stands: the dashboard in its three layouts, the full screens, and what replaces it all where there is no room."""

from typing import NamedTuple

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from pmm_tui.tui.keys import Keys
from pmm_tui.tui.rows import book, chart, compare, desk, duo, fills, foot, log, market, orders, risk, top
from pmm_tui.tui.rows.lines import Builder, Panel
from pmm_tui.tui.state import Scene
from pmm_tui.tui.widgets.pane import Pane

WIDE = (120, 36)
SMALLEST = (80, 24)


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
    "markets": book.markets,
    "ladder": book.ladder,
    "orders": desk.orders,
    "fills": desk.fills,
    "position": desk.position,
    "guards": desk.guards,
    "equity": chart.equity,
    "log": desk.log,
}


def compose(foot_: "Foot") -> ComposeResult:
    """Every pane of every layout; the style sheet chooses."""
    yield Pane(top.banner, "bare", id="banner")
    yield Pane(top.strip, "bare", id="strip")
    yield Pane(duo.duo, id="duo")
    with Horizontal(id="kpi"):
        yield Pane(top.safe)
        yield Pane(top.money)
        yield Pane(top.quotes)
    yield Pane(top.summary, "bare", id="summary")
    yield Pane(desk.kill, id="kill")
    yield _pane("markets")
    with Horizontal(id="middle"):
        yield _pane("ladder")
        with Vertical(id="trades"):
            yield _pane("orders")
            yield _pane("fills")
        with Vertical(id="side"):
            yield _pane("position")
            yield _pane("guards")
    with Horizontal(id="bottom"):
        yield _pane("equity")
        yield _pane("log")
    yield Pane(book.markets, id="zoom")
    yield Pane(foot_.footer, "bare", id="footer")
    yield Pane(foot_.small, "bare", id="small")


def _pane(name: str) -> Pane:
    return Pane(_BUILDERS[name], id=name)


class Foot:
    """The foot of the screen with the keys of now."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def footer(self, scene: Scene, width: int, height: int) -> Panel:
        """What was last answered, and the keys."""
        return foot.footer(scene, width, height, self.keys)

    def small(self, scene: Scene, width: int, height: int) -> Panel:
        """The face of a screen that is too small."""
        return foot.small(scene, width, height, self.keys)


def lay_out(base: Screen[object], width: int, height: int, desks: int) -> None:
    """Choose the layout for a size."""
    small = width < SMALLEST[0] or height < SMALLEST[1]
    wide = width >= WIDE[0] and height >= WIDE[1]
    base.set_class(small, "small")
    base.set_class(not small and not wide, "compact")
    base.set_class(wide and height < 44, "short")
    base.set_class(desks > 1, "two")
    base.query_one("#duo", Pane).frame = "box" if wide else "bare"
    for pane in base.query("#markets, #ladder, #orders, #fills, #kill").results(Pane):
        pane.frame = "box" if wide else "rule"


def fill(base: Screen[object], screen: int, pane: str, zoomed: bool) -> None:
    """Show a screen, the dashboard, or one of its panes as large as the screen; mark the chosen pane."""
    builder = _BUILDERS[pane] if zoomed and pane else SCREENS[screen - 1].builder
    base.set_class(builder is not None, "zoomed")
    if builder is not None:
        large = base.query_one("#zoom", Pane)
        large.builder = builder
        large.frame = "bare" if not zoomed else "rule" if base.has_class("compact") else "box"
    for one in base.query("#markets, #ladder, #orders, #fills, #position, #guards, #equity, #log").results(Pane):
        one.chosen = one.id == pane and builder is None


def settle(base: Screen[object], markets: int, kill: int) -> None:
    """Heights that depend on how many markets there are and on the kill switch: changed seldom, never by a number moving."""
    wide = not base.has_class("compact")
    table, steps = base.query_one("#markets", Pane), base.query_one("#kill", Pane)
    table.styles.height = min(max(1, markets), 8 if wide else 4) + (3 if wide else 2)
    steps.display = bool(kill)
    steps.styles.height = kill + (2 if wide else 1)
