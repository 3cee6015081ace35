"""What the operator chose to see: screen, pane, filters, side of the book, depth, unit, bars; and layouts, several of these at once."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.tui.keys import LOG, MARKET
from pmm_tui.tui.state import Scene

DEPTHS = (0, 5, 10, 15, 25)
"""Levels of a ladder; 0: all that fit."""
PANES = ("markets", "ladder", "orders", "fills", "position", "guards", "equity", "log")
"""The dashboard's panes in the order in which tab visits them."""
Bars = Literal["linear", "log"]
Units = Literal["cents", "probability"]


class Layout(Struct, frozen=True):
    """What one number chooses: a screen, the panes of the dashboard (none: all of them), how the ladder is drawn."""

    name: str
    screen: int = 1
    panes: tuple[str, ...] = ()
    depth: int = 0
    bars: Bars = "linear"
    units: Units = "cents"


LAYOUTS: dict[int, Layout] = {
    0: Layout("everything"),
    1: Layout("trading", panes=("markets", "ladder", "orders")),
    2: Layout("results", panes=("markets", "fills", "position", "equity")),
    3: Layout("safety", panes=("markets", "position", "guards", "log")),
    4: Layout("events", panes=("markets", "log")),
    5: Layout("deep book", screen=MARKET, depth=25, bars="log"),
}
"""The layouts as shipped; the user's stand beside them, or in their place."""


class View(Struct):
    """What is chosen now; changed by keys, read by the panes."""

    screen: int = 1
    pane: str = ""
    """The dashboard's chosen pane; empty: none."""
    zoomed: bool = False
    """Whether the chosen pane fills the screen."""
    layout: int = 0
    """The layout that was chosen last."""
    markets: str = ""
    """Filter of the markets."""
    log: str = ""
    """Filter of the log."""
    no_side: bool = False
    """Whether the market screen shows the other outcome's book."""
    depth: int = 0
    shift: int = 0
    """Rows that the ladder of the market screen is moved down from its middle."""
    probability: bool = False
    log_bars: bool = False
    scroll: int = 0
    """Rows scrolled over in a list."""

    @property
    def filters(self) -> str:
        """What a filter would act on now: markets, or log."""
        return "log" if self.screen == LOG or (self.zoomed and self.pane == "log") else "markets"

    @property
    def filter(self) -> str:
        """The filter in force here."""
        return self.log if self.filters == "log" else self.markets

    def take(self, number: int, layout: Layout) -> None:
        """A layout comes into force."""
        self.layout, self.screen, self.pane, self.zoomed, self.scroll, self.shift = number, layout.screen, "", False, 0, 0
        self.depth, self.log_bars, self.probability = layout.depth, layout.bars == "log", layout.units == "probability"

    def shown(self, scene: Scene) -> Scene:
        """The scene with what is chosen; side, depth, unit and bars are the market screen's own."""
        here = self.screen == MARKET
        beside = self.shown(scene.beside) if scene.beside is not None else None
        return replace(
            scene, pane=self.screen, filter=self.filter, scroll=self.scroll, depth=self.depth * here, no_side=self.no_side and here,
            shift=self.shift * here, probability=self.probability and here, log_bars=self.log_bars and here, beside=beside,
        )  # fmt: skip
