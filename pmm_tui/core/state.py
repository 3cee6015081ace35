"""What the desk knows. Only `apply` writes here; strategies see views of it, faces see snapshots."""

from collections import deque

from msgspec import Struct

from pmm_tui.core.book import Book
from pmm_tui.core.commands import Command
from pmm_tui.core.events import ClockSeen, Traded, VenueModeChanged
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.market import Market, Side
from pmm_tui.core.orders.life import Order
from pmm_tui.core.orders.room import Room, room_of
from pmm_tui.core.portfolio import Fill, Holding, Portfolio
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.risk.kill import Kill
from pmm_tui.core.signals.integrity import Integrity
from pmm_tui.core.signals.reference import Reference, symbol_of
from pmm_tui.core.signals.volatility import Volatility
from pmm_tui.core.strategies.maker import Pricing
from pmm_tui.core.units import ONE, Cash, Nanos, Price, Size, cents_text, pays, size_text, to_cash

CURVE_POINTS = 240
FALSE_ALARMS_MAX = 3


class Link(Struct):
    """One connection."""

    up: bool
    since: Nanos
    why: str


class Note(Struct, frozen=True):
    """One line of the event log."""

    at: Nanos
    level: str
    text: str


class Result(Struct, frozen=True):
    """What one market came to."""

    market: str
    slug: str
    fills: int
    realised: Cash
    payout_yes: Price | None
    yes: Size
    no: Size
    verified: int
    """Hashes of its book."""
    mismatched: int
    unverifiable: int


class Backoff(Struct, frozen=True):
    """A side that was refused: until when it waits, how often in a row it was refused, and how often of that for want of balance."""

    until: Nanos
    times: int
    short: int


class MarketState:
    """Everything known about one market."""

    __slots__ = (
        "astray_since",
        "backoff",
        "book",
        "changed",
        "closed",
        "committed",
        "crossed_since",
        "ending",
        "exit_asked_at",
        "exit_passive",
        "exit_tries",
        "exiting",
        "external",
        "failed_at",
        "false_alarms",
        "first_at",
        "hashed",
        "hold",
        "integrity",
        "last",
        "live",
        "market",
        "merging",
        "next_at",
        "paused",
        "payout",
        "pricing",
        "quoted_mid",
        "quotes",
        "reference",
        "resync_at",
        "resyncs",
        "retry_at",
        "room",
        "seen_at",
        "sigma",
        "sigma_source",
        "trades",
        "urgent",
        "vol",
        "waiting",
    )

    def __init__(self, market: Market, knobs: Knobs) -> None:
        self.market = market
        self.book = Book(market.tick)
        self.integrity = Integrity(market, knobs.integrity)
        self.hashed = False
        """The feed carries hashes: from the first one on, every frame is judged."""
        self.vol = Volatility(knobs.vol)
        self.sigma, self.sigma_source = self.vol.effective()
        self.first_at = Nanos(0)
        self.seen_at = Nanos(0)
        self.closed = False
        self.payout: Price | None = None
        self.paused = False
        self.hold = "waiting for data"
        self.exiting: int | None = None
        """Slippage in ticks of a flatten under way."""
        self.exit_asked_at = Nanos(0)
        self.exit_tries = 0
        self.exit_passive = False
        """The flatten under way rests at the touch instead of crossing."""
        self.merging = False
        """A Merge is under way: its shares are neither sold nor counted on."""
        self.failed_at = Nanos(0)
        """When a trade of ours here was last undone by the chain."""
        self.pricing: Pricing | None = None
        self.quotes: list[Quote] = []
        self.live: dict[int, Order] = {}
        """Orders that are not DONE."""
        self.external: list[Order] = []
        """Open orders of the wallet that are not the desk's: never touched, counted as if they were."""
        self.room = Room()
        """What the live orders may still do; kept by `State.recount`."""
        self.committed = Cash(0)
        """What the market may cost at the worst: what its shares cost and what its live buys may still take."""
        self.waiting = False
        """A wish could not be placed before a cancel is proven."""
        self.quoted_mid: float | None = None
        """The mid that the resting quotes were last decided at, dollars: what a fill's edge is measured against (the decision time)."""
        self.next_at = Nanos(0)
        self.changed = False
        """Something that a quote depends on has changed since the last decision."""
        self.urgent = False
        """Decide at once, whatever the quote interval."""
        self.crossed_since = Nanos(0)
        self.astray_since = Nanos(0)
        """Since when the venue's own touch, told with each change, is not that of our book: a change was lost."""
        self.retry_at = Nanos(0)
        """When a side that was refused may ask again."""
        self.false_alarms = 0
        """How often the venue's REST book was ours although its hashes were wrong."""
        self.resync_at, self.resyncs = Nanos(0), 0
        self.last = Price(0)
        self.reference = symbol_of(market, knobs.reference)
        """The symbol that it needs a reference price of; empty: it needs none."""
        self.trades: deque[Traded] = deque(maxlen=8)
        """The newest, for the screen."""
        self.backoff: dict[tuple[str, Side], Backoff] = {}
        """After refusals: by token and side."""
        self.ending = False
        """The stop before the market's end has begun."""

    @property
    def name(self) -> str:
        """How a person calls it."""
        return self.market.slug or self.market.id[:10]

    @property
    def over(self) -> bool:
        """No more orders may go to this market."""
        return self.closed or self.payout is not None

    def mid(self) -> float | None:
        """The mid in dollars, None where the book is not two-sided."""
        return self.book.mid() if self.book.two_sided else None

    def doubted(self, streak_max: int) -> bool:
        """Whether so many book hashes in a row are wrong that the book may be. After a few false alarms it is the hashes that are."""
        return self.integrity.streak >= streak_max and self.false_alarms < FALSE_ALARMS_MAX

    def quoted_mid_of(self, token: str) -> float | None:
        """The mid of one of the two tokens when its quotes were last decided, None before that."""
        mid = self.quoted_mid
        return mid if mid is None or token == self.market.yes else 1.0 - mid

    def outcome_of(self, token: str) -> str:
        """The outcome that a token pays on."""
        return self.market.outcomes[0 if token == self.market.yes else 1]

    def told(self, side: Side, size: Size, token: str, price: Price) -> str:
        """An order or a fill in one spelling, the console's: BUY 10 Up @ 52.0."""
        return f"{side.value} {size_text(size)} {self.outcome_of(token)} @ {cents_text(price)}"


class State:
    """The desk's whole knowledge."""

    __slots__ = (
        "account_missed_at",
        "account_misses",
        "began",
        "blind",
        "clock",
        "clusters",
        "committed",
        "curve",
        "curve_step_ns",
        "end_asked_at",
        "ended_at",
        "ending",
        "equity_now",
        "failed",
        "fills_in",
        "finished",
        "foreign",
        "gas",
        "kill",
        "knobs",
        "links",
        "live",
        "markets",
        "next_order",
        "next_sync_at",
        "notes",
        "now",
        "orders_sent",
        "out",
        "overdue",
        "past",
        "paused",
        "paused_why",
        "portfolio",
        "quoting_ns",
        "recent",
        "references",
        "rejects",
        "reserved",
        "seq",
        "unlisted",
        "venue",
        "wallet",
        "wallet_missed_at",
        "wallet_misses",
        "watched_ns",
    )

    def __init__(self, knobs: Knobs) -> None:
        self.knobs = knobs
        self.now = self.began = Nanos(0)
        """`began`: time of the first fact."""
        self.seq = 0
        self.markets: dict[str, MarketState] = {}
        self.past: deque[Result] = deque(maxlen=1_000)  # markets that are in sight no more: ten days of those of 15 minutes
        self.live: dict[int, Order] = {}
        """Every order that is not DONE, of all markets."""
        self.finished: dict[int, Order] = {}
        """DONE orders, for a while: a late fill is still a fill."""
        self.fills_in: dict[str, int] = {}  # by market
        self.next_order = 1
        initial = to_cash(knobs.desk.initial_balance)
        self.portfolio = Portfolio(initial)
        self.kill = Kill(start=initial, peak=initial, given=initial)
        self.links: dict[str, Link] = {}
        self.venue = VenueModeChanged(Nanos(0), "open")  # `at`: since when
        self.paused, self.paused_why = False, ""
        """Why the desk paused by itself; empty where somebody asked for it."""
        self.notes: deque[Note] = deque(maxlen=200)
        self.recent: deque[Fill] = deque(maxlen=50)
        """The newest fills, for the screen: kept when the portfolio has let go of them."""
        self.references: dict[str, Reference] = {}
        """What was told of each symbol."""
        self.rejects: dict[str, int] = {}
        self.orders_sent = 0
        self.out: list[Command] = []
        """Commands that applying facts gave rise to; the engine takes them."""
        self.next_sync_at = Nanos(0)
        self.account_misses, self.account_missed_at = 0, Nanos(0)
        self.wallet: tuple[Cash, tuple[tuple[str, Size], ...]] | None = None
        """What the chain last said: cash and shares."""
        self.wallet_misses, self.wallet_missed_at = 0, Nanos(0)
        self.gas = Cash(0)
        """Paid so far, micro-dollars."""
        self.clock: ClockSeen | None = None
        """How far the venue's clock was from ours when they were compared last."""
        self.failed: deque[Nanos] = deque(maxlen=100)
        """When trades of ours were undone by the chain."""
        self.ending = False
        """The run ends: nothing is placed any more."""
        self.ended_at = self.end_asked_at = Nanos(0)
        """`ended_at`: when the account was first read without an open order after that."""
        self.foreign = self.overdue = 0
        """`overdue`: trades that the chain has not confirmed for long."""
        self.unlisted: dict[int, Order] = {}
        """Open orders of the wallet in markets that the desk does not list."""
        self.reserved = self.committed = Cash(0)
        """`reserved`: cash that live buys may still take, over all markets."""
        self.clusters: dict[str, Cash] = {}
        """Committed by cluster."""
        self.equity_now = initial
        """The equity when it was last worked out: each tick and each result."""
        self.blind = ""
        """Why the equity cannot be computed; empty while it can."""
        self.curve: list[tuple[Nanos, Cash]] = []
        self.curve_step_ns = 1_000_000_000
        self.quoting_ns = self.watched_ns = 0
        """Market time with an order resting, and in which quotes were possible at all: data had come and the market was not over."""

    @property
    def capital(self) -> Cash:
        """What capital caps are a part of: the equity, with shares held before the run counting for no more than the desk was given."""
        return Cash(self.equity_now - max(0, self.portfolio.initial - to_cash(self.knobs.desk.initial_balance)))

    def note(self, level: str, text: str) -> None:
        """Write a line of the event log."""
        self.notes.append(Note(self.now, level, text))

    def touch_all(self) -> None:
        """Every market is to be decided anew, at once."""
        for market in self.markets.values():
            market.changed = market.urgent = True

    def value(self, market: MarketState) -> Cash | None:
        """What the shares held in one market are worth at the mark, None where no mark can be made.

        The mark is the mid of a two-sided book; on a one-sided book, what selling would surely bring: the bid for YES, 1 - ask for NO.
        """
        yes = self.portfolio.holdings.get(market.market.yes)
        no = self.portfolio.holdings.get(market.market.no)
        shares_yes = yes.shares if yes is not None else 0
        shares_no = no.shares if no is not None else 0
        if not shares_yes and not shares_no:
            return Cash(0)
        if not market.seen_at:
            return None
        book = market.book
        if book.two_sided:
            twice = book.bid + book.ask
            return Cash((shares_yes * twice + shares_no * (2 * ONE - twice)) // (2 * ONE))
        return Cash((shares_yes * book.bid + shares_no * (ONE - book.ask)) // ONE)

    def equity(self) -> Cash | None:
        """Cash and every holding at the mark, None where one of them has no mark."""
        total = self.portfolio.cash - self.gas
        for market in self.markets.values():
            worth = self.value(market)
            if worth is None:
                self.blind = f"no price for the shares held in {market.market.slug or market.market.id}"
                return None
            total += worth
        self.blind = ""
        return Cash(total)

    @property
    def unlisted_usd(self) -> Cash:
        """Cash that orders in markets that the desk does not list may still take."""
        return Cash(sum(pays(order.price, order.rest) for order in self.unlisted.values() if order.side is Side.BUY))

    def cost(self, market: MarketState) -> Cash:
        """What the shares held in one market cost."""
        holdings = self.portfolio.holdings
        nothing = _NOTHING
        return Cash(holdings.get(market.market.yes, nothing).cost + holdings.get(market.market.no, nothing).cost)

    def result(self, market: MarketState) -> Result:
        """What a market came to so far."""
        terms, seen, portfolio = market.market, market.integrity, self.portfolio
        return Result(
            terms.id, market.name, self.fills_in.get(terms.id, 0), portfolio.realised_in.get(terms.id, Cash(0)), market.payout,
            portfolio.shares(terms.yes), portfolio.shares(terms.no), seen.verified, seen.mismatched, seen.unverifiable,
        )  # fmt: skip

    def recount(self, market: MarketState) -> None:
        """Work out anew what one market's orders and shares promise, after they changed, and carry the difference into the totals."""
        orders = [*market.live.values(), *market.external] if market.external else market.live.values()
        room = room_of(market.market, orders)
        committed = Cash(self.cost(market) + room.reserved)
        cluster = market.market.cluster
        self.reserved = Cash(self.reserved + room.reserved - market.room.reserved)
        self.committed = Cash(self.committed + committed - market.committed)
        self.clusters[cluster] = Cash(self.clusters.get(cluster, 0) + committed - market.committed)
        market.room = room
        market.committed = committed


_NOTHING = Holding()
