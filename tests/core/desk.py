"""A small desk for tests: one market, books drawn in a line, facts with times in milliseconds."""

from collections.abc import Iterable

import msgspec

from pmm_tui.core.commands import Cancel, Command, Place
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import BookReset, Event, Level, MarketListed, OrderAccepted, OrderFilled, Ticked
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.market import Market
from pmm_tui.core.units import SHARE, Cash, Nanos, Price, Size

MARKET = Market(
    id="0xm",
    slug="test-market",
    question="Will it?",
    yes="yes",
    no="no",
    tick=Price(100),
    min_size=Size(5 * SHARE),
    outcomes=("Up", "Down"),
    cluster="BTC",
)
T0 = 1_790_000_000_000


def at(ms: int) -> Nanos:
    """Milliseconds of the test's time."""
    return Nanos((T0 + ms) * 1_000_000)


def side(drawn: str) -> tuple[Level, ...]:
    """Levels drawn as "48x100 47x50", in cents and shares."""
    levels = []
    for level in drawn.split():
        cents, shares = level.split("x")
        levels.append((Price(round(float(cents) * 100)), Size(int(shares) * SHARE)))
    return tuple(levels)


def book(ms: int, drawn: str, market: Market = MARKET, ts: int | None = None) -> BookReset:
    """A whole book drawn as "47x50 48x100 | 52x100 53x50"."""
    bids, asks = drawn.split("|")
    return BookReset(at(ms), market.id, at(ms if ts is None else ts), side(bids), side(asks))


def knobs(**changes: float | int | bool | str) -> Knobs:
    """The default knobs, without a warm-up, with some of them changed by their flat names."""
    groups = msgspec.to_builtins(Knobs())
    wanted = {"warm_up_s": 0.0, "quote_interval_s": 0.0, "levels": 1, "initial_balance": 500.0} | changes
    for name, value in wanted.items():
        owners = [group for group in groups.values() if name in group]
        assert len(owners) == 1, f"{name} is declared {len(owners)} times"
        owners[0][name] = value
    return msgspec.convert(groups, Knobs)


class Bench:
    """An engine that keeps what it asked for."""

    def __init__(self, settings: Knobs | None = None, market: Market = MARKET, listed: bool = True) -> None:
        self.engine = Engine(settings or knobs())
        self.asked: list[Command] = []
        self.ms = 0
        if listed:
            self.tell(MarketListed(at(0), market))
            self.asked.clear()

    def tell(self, *events: Event) -> list[Command]:
        """Tell facts; what the engine asked for in answer."""
        answer: list[Command] = []
        for event in events:
            self.ms = max(self.ms, event.at // 1_000_000 - T0)
            answer += self.engine.step(event)
        self.asked += answer
        return answer

    def tick(self, until: int) -> list[Command]:
        """Let time pass to `until` (milliseconds), a tick each 100 ms."""
        answer: list[Command] = []
        while self.ms + 100 <= until:
            answer += self.tell(Ticked(at(self.ms + 100)))
        return answer

    def accept(self, commands: Iterable[Command], ms: int) -> list[Command]:
        """The venue accepts every order placed."""
        return self.tell(*[OrderAccepted(at(ms), command.order) for command in commands if isinstance(command, Place)])

    def fill(self, place: Place, shares: float, ms: int, trade: str = "t1") -> list[Command]:
        """The venue fills an order."""
        return self.tell(OrderFilled(at(ms), place.order, trade, place.price, Size(round(shares * SHARE)), Cash(0)))


def places(commands: Iterable[Command]) -> list[Place]:
    """The orders asked for."""
    return [command for command in commands if isinstance(command, Place)]


def cancels(commands: Iterable[Command]) -> list[int]:
    """The orders whose end was asked for."""
    return [command.order for command in commands if isinstance(command, Cancel)]
