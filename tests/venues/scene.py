"""A market, a book drawn in cents, and the paper exchange in virtual time."""

from typing import Any, TypeVar

from pmm_tui.core.commands import Command, Place
from pmm_tui.core.events import BookChanged, BookReset, Event, Level, MarketListed, Traded
from pmm_tui.core.market import Fees, Kind, Market, Side
from pmm_tui.core.units import MILLI, SHARE, Cash, Nanos, Price, Size
from pmm_tui.venues.paper.fills import PaperKnobs
from pmm_tui.venues.paper.matching import START_CASH, Matching

START = 1_700_000_000_000_000_000
BUY, SELL = Side.BUY, Side.SELL
MARKET = Market(
    id="m", slug="m", question="?", yes="YES", no="NO", tick=Price(100), min_size=Size(5 * SHARE), fees=Fees(0.07, 1.0, 0.2)
)
Fact = TypeVar("Fact", bound=Event)


def sh(count: float) -> Size:
    """Shares."""
    return Size(round(count * SHARE))


def levels(drawn: str) -> tuple[Level, ...]:
    """"48x900 49x100" in cents and shares."""
    return tuple((Price(round(float(p) * 100)), sh(float(s))) for p, s in (level.split("x") for level in drawn.split()))


def at(ms: float) -> Nanos:
    """Desk time, milliseconds after the start."""
    return Nanos(START + round(ms * MILLI))


def knobs(model: str = "bbo", **more: Any) -> PaperKnobs:
    """Knobs without slippage unless a test asks for it."""
    return PaperKnobs(**{"fill_model": model, "slippage_bps": 0.0, **more})


class Scene:
    """The exchange with one listed market; `at` is in milliseconds of desk time."""

    def __init__(self, rules: PaperKnobs | None = None, seed: int = 1, cash: Cash = START_CASH, matching: Matching | None = None) -> None:
        self.matching = matching or Matching(rules or knobs(), seed, cash)
        self.count = 0
        self.matching.observe(MarketListed(at(0), MARKET))

    def book(self, ms: float, bids: str, asks: str, **more: Any) -> None:
        """A whole book as the desk sees it at this time."""
        self.matching.observe(BookReset(at(ms), "m", at(ms), levels(bids), tuple(reversed(levels(asks))), **more))

    def change(self, ms: float, side: Side, cents: float, size: float) -> None:
        """One level's new size."""
        self.matching.observe(BookChanged(at(ms), "m", at(ms), ((side, Price(round(cents * 100)), sh(size)),)))

    def trade(self, ms: float, side: Side, cents: float, size: float) -> None:
        """A taker of this side."""
        self.matching.observe(Traded(at(ms), "m", at(ms), Price(round(cents * 100)), sh(size), side))

    def place(self, ms: float, side: Side, cents: float, size: float, outcome: str = "YES", kind: Kind = Kind.POST_ONLY) -> int:
        """Send an order; returns its id."""
        self.count += 1
        self.send(ms, Place(self.count, "m", outcome, side, Price(round(cents * 100)), sh(size), kind))
        return self.count

    def send(self, ms: float, command: Command) -> None:
        """Send a command."""
        self.matching.send(command, at(ms))

    def until(self, ms: float) -> list[Event]:
        """All answers up to a time."""
        return self.matching.advance(at(ms))

    def only(self, ms: float, kind: type[Fact]) -> list[Fact]:
        """The answers of one type up to a time."""
        return [event for event in self.until(ms) if isinstance(event, kind)]

    def give(self, ms: float, outcome: str, size: float) -> None:
        """Own settled shares of an outcome: a taker buy at 50 cents from a book that is shown for it."""
        self.book(ms, "50x100000" if outcome == "NO" else "49x1", "51x1" if outcome == "NO" else "50x100000")
        self.place(ms, BUY, 50, size, outcome, Kind.IOC)
        self.until(ms + 10_000)
