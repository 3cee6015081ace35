"""What a face may see of the desk: one immutable picture with a sequence number. Prices, sizes and cash are the core's integers."""

from msgspec import Struct

from pmm_tui.core.market import Side
from pmm_tui.core.units import Cash, Nanos, Price, Size


class LevelRow(Struct, frozen=True, array_like=True):
    """One level of the ladder, in YES terms; written as [price, size, ours]. `ours` is what we have resting there."""

    price: Price
    size: Size
    ours: Size


class QuoteRow(Struct, frozen=True):
    """A wish after all reviewers, in YES terms: what we want to quote, or who held it and why."""

    side: Side
    price: Price
    size: Size
    level: int
    held: str


class OrderRow(Struct, frozen=True):
    """One order that is not DONE."""

    id: int
    market: str
    outcome: str
    side: Side
    price: Price
    size: Size
    filled: Size
    status: str
    sent_at: Nanos
    why: str
    venue_id: str = ""
    ahead: Size = Size(-1)
    """What is at most ahead of it in its queue; -1 while unknown."""
    unsure_at: Nanos = Nanos(0)
    """Since when it is not known whether it rests; 0 while that is known."""


class FillRow(Struct, frozen=True):
    """One fill. `edge` is what it captured against the mid that its quote was decided at; status is MATCHED, CONFIRMED or FAILED."""

    at: Nanos
    market: str
    order: int
    outcome: str
    side: Side
    price: Price
    size: Size
    fee: Cash
    edge: Cash
    maker: bool
    status: str
    ahead: Size = Size(-1)
    """What was ahead of the order in its queue then; -1: unknown."""
    answered_ms: float = -1.0
    """From sending the order to the venue's acceptance; -1: unknown."""
    markouts: tuple[Cash | None, ...] = ()
    """What a share of it was worth 0.5 s, 2 s, 10 s, 30 s, 2 min and 10 min later, as far as that time has come: against the mid of the
    others, micro-dollars, positive to our good. None where there was no mid to hold it against; all six None where it failed or is not
    followed."""

    @property
    def foreign(self) -> bool:
        """Whether somebody else sent its order with our wallet: this desk's own numbers are positive."""
        return self.order < 0


class TradeRow(Struct, frozen=True):
    """Somebody took: price and the taker's side in YES terms."""

    at: Nanos
    price: Price
    size: Size
    side: Side


class BookHealth(Struct, frozen=True):
    """How far the book can be believed."""

    age_ms: int
    """Since the last frame about this market; -1 before the first."""
    verified: int
    mismatched: int
    unverifiable: int
    stale_frames: int
    """`book` frames and levels that were older than what was applied, and changed nothing."""
    resyncs: int
    crossed: bool
    stale: bool = False
    """It is older than this desk quotes from, whatever else holds the market."""


class MarketRow(Struct, frozen=True):
    """One market on the screen."""

    id: str
    slug: str
    question: str
    outcomes: tuple[str, str]
    closes: Nanos
    tick: Price
    state: str
    """waiting | warming | quoting | held | stale | paused | closing | closed | resolved | killing | killed"""
    why: str
    """Why it is not quoting, in words; empty while it is."""
    bids: tuple[LevelRow, ...]
    """Best first."""
    asks: tuple[LevelRow, ...]
    """Best first."""
    mid: float
    """Dollars; NaN where unknown."""
    micro: float
    imbalance: float
    fair: float
    centre: float
    """The centre after inventory skew; NaN before the first quote."""
    half_spread: float
    sigma: float
    """effective_sigma: dollars per square root of a second, as the formula used it."""
    sigma_source: str
    """estimate | floor | fallback"""
    last: Price
    health: BookHealth
    quotes: tuple[QuoteRow, ...]
    yes: Size
    no: Size
    cost: Cash
    """What the held shares cost, fees not included."""
    realised: Cash
    unrealised: Cash
    payout_yes: Price | None
    fills: int
    trades: tuple[TradeRow, ...] = ()
    """The newest few of the whole market, newest first."""
    merges: Size = Size(0)
    """Pairs of YES and NO that a flatten makes dollars first; 0 where it leaves them."""
    exit_fee: Cash = Cash(0)
    """What the venue charges for selling the net position at the touch now."""


NOT_ASKED = "not asked"
"""What stands where a reviewer would compare, and nobody is there to ask."""


class RiskRow(Struct, frozen=True):
    """One guard, cap or reviewer: where it stands against its limit, and what it holds now."""

    name: str
    now: str
    limit: str
    holding: bool
    used: float = -1.0
    """The part of the limit that is used up, 1 at the limit; -1: not a matter of more or less."""

    @property
    def asked(self) -> bool:
        """Whether anybody looked at all: what was not looked at is never called well."""
        return self.now != NOT_ASKED


class KillRow(Struct, frozen=True):
    """One step of the kill sequence, with the time it was proven (0: not yet)."""

    step: str
    at: Nanos
    note: str


class FeedRow(Struct, frozen=True):
    """One connection."""

    link: str
    up: bool
    since: Nanos
    why: str


class VenueRow(Struct, frozen=True):
    """What the venue takes now, by its own answers."""

    mode: str = "open"
    """open | restarting | post_only | cancel_only | disabled | limited | key refused"""
    since: Nanos = Nanos(0)
    until: Nanos = Nanos(0)
    """Nothing that the mode forbids leaves before; it may last longer. 0 where it is open."""


class SourceRow(Struct, frozen=True):
    """One source of a reference price."""

    name: str
    price: Cash
    """Micro-dollars."""
    age_ms: int
    """Since it last told a newer price."""
    stands: str
    """used | stale | outlier"""


class ReferenceRow(Struct, frozen=True):
    """What a coin costs outside, by all its sources together."""

    symbol: str
    price: Cash | None
    """Micro-dollars; None where there is no price to believe."""
    apart_bps: float
    """From the lowest source used to the highest; NaN with none."""
    sources: tuple[SourceRow, ...]
    why: str
    """What is wrong, with its numbers; empty where nothing is."""


class NoteRow(Struct, frozen=True):
    """One line of the event log."""

    at: Nanos
    level: str
    """info | warn | alarm"""
    text: str


class Money(Struct, frozen=True):
    """The account. All in micro-dollars."""

    initial: Cash
    cash: Cash
    reserved: Cash
    """Held back by resting buys."""
    equity: Cash
    realised: Cash
    unrealised: Cash
    fees: Cash
    """Net of rebates: positive is paid."""
    adverse: Cash
    captured: Cash
    """Spread captured against the mid that each quote was decided at."""
    peak: Cash
    drawdown: Cash
    """From the kill switch's reference, positive when losing."""
    drawdown_pct: float
    max_drawdown: Cash
    alert_pct: float
    halt_pct: float
    reference: str
    """start | peak"""
    drift: Cash = Cash(0)
    """Of the inventory as the mid moved: equity - initial = captured + drift - fees - adverse."""
    halts_at: Cash = Cash(0)
    """The equity from which on down the drawdown halts the desk."""


class Snapshot(Struct, frozen=True):
    """The desk at one moment."""

    seq: int
    """Events applied so far: a later snapshot has a larger one."""
    at: Nanos
    phase: str
    """starting | running | paused | alert | ending | killing | killed"""
    why: str
    money: Money
    markets: tuple[MarketRow, ...]
    orders: tuple[OrderRow, ...]
    fills: tuple[FillRow, ...]
    """The newest 50, newest first."""
    feeds: tuple[FeedRow, ...]
    risk: tuple[RiskRow, ...]
    kill: tuple[KillRow, ...]
    notes: tuple[NoteRow, ...]
    """The newest 50, newest first."""
    equity_curve: tuple[tuple[Nanos, Cash], ...]
    """At most 240 points, oldest first, the last one now."""
    fill_count: int
    orders_sent: int
    rejects: dict[str, int]
    gas: Cash = Cash(0)
    """Paid on chain by this run, micro-dollars; the equity is less by it."""
    resets_at: Nanos = Nanos(0)
    """From when on a verified kill may be reset; 0: there is none."""
    venue: VenueRow = VenueRow()
    references: tuple[ReferenceRow, ...] = ()
    """What markets of this desk need a reference price of, and all that was told of it."""


class DeskCard(Struct, frozen=True):
    """Who this desk is: what the runtime knows and the core does not."""

    run: str
    profile: str
    mode: str
    """PAPER | LIVE"""
    source: str
    """live | tape | loopback"""
    started: Nanos
    speed: str
    """1, 10, max on a tape; empty on live data"""
    tape_position: float
    """Part of the tape played, 0..1; 0 on live data."""
    engine_p99_us: float
    """Engine step, 99th percentile of the last 1,000."""
    pid: int
    version: str
    fill_model: str
    account: str
    """The wallet's short form; empty on paper."""
    busy: str
    """What the desk itself reports is wrong (disk full, journal halted); empty when nothing is."""
    deadman_s: float = -1.0
    """Seconds until the desk acts for want of a sign of its operator; 0 once it has; -1: it never does."""
    heartbeat_s: float = -1.0
    """Since the last heartbeat that the venue answered; -1: none was, or this desk sends none."""
    answer_ms: float = -1.0
    """From sending a request to the venue's answer, the median of the last hundred orders; -1: unknown."""
    unwatched: str = ""
    """Why the desk has acted because nobody watched it; empty while it has not, and after the next sign."""


class StatsCell(Struct, frozen=True):
    """The figures of one market in one stretch of its time."""

    market: str
    stretch: int
    """Which stretch, counted from the market's end; from the epoch where none is named."""
    values: tuple[float, ...]
    """One for each of the `fields`; shares, dollars and seconds."""
    submit: tuple[tuple[int, int], ...] = ()
    """From sending an order to the venue's answer: bucket and how many. Bucket 0 ends at 1 ms, bucket n at 2^(n/16) ms, the last one, 209,
    nowhere."""
    cancel: tuple[tuple[int, int], ...] = ()
    """The same from asking for an order's end to its end."""


class Stats(Struct, frozen=True):
    """What a run came to, in figures that can be laid beside those of another run: sums by market and stretch of time."""

    stretch_s: int
    """How long a stretch is; it doubles when there would be too many."""
    fields: tuple[str, ...]
    cells: tuple[StatsCell, ...]
    reasons: tuple[tuple[str, str], ...]
    """The venue's newest words of refusal by code."""
    gas_usd: float
    gas_operations: int
    """How often gas was paid."""
    unfollowed: int
    """Fills whose markouts were not taken, as too many were waiting."""
    older: int = 0
    """Cells that are not among these, as only so many of the newest are told; a run's journal has all of them."""


class Frame(Struct, frozen=True):
    """What the api sends to a face: the card and the picture."""

    card: DeskCard
    snapshot: Snapshot
    stats: Stats | None = None
    """Anew once a second."""
