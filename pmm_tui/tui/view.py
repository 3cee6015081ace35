"""What the operator chose to see: screen, pane, filters, side of the book, depth."""

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.tui.keys import LOG, MARKET
from pmm_tui.tui.state import Scene

DEPTHS = (0, 5, 10, 15, 25)
"""Levels of a ladder; 0: all that fit."""
PANES = ("markets", "ladder", "orders", "fills", "position", "guards", "equity", "log")
"""The dashboard's panes in the order in which tab visits them."""


class View(Struct):
    """What is chosen now; changed by keys, read by the panes."""

    screen: int = 1
    pane: str = ""
    """The dashboard's chosen pane; empty: none."""
    zoomed: bool = False
    """Whether the chosen pane fills the screen."""
    markets: str = ""
    """Filter of the markets."""
    log: str = ""
    """Filter of the log."""
    no_side: bool = False
    """Whether the market screen shows the other outcome's book."""
    depth: int = 0
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

    def shown(self, scene: Scene) -> Scene:
        """The scene with what is chosen; side and depth are the market screen's own."""
        here = self.screen == MARKET
        beside = self.shown(scene.beside) if scene.beside is not None else None
        return replace(
            scene, pane=self.screen, filter=self.filter, scroll=self.scroll, depth=self.depth * here, no_side=self.no_side and here,
            beside=beside,
        )  # fmt: skip
