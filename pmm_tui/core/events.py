"""Every fact the desk can learn. Book facts are in YES terms: YES and NO are one book, mirrored by the decoder."""

from msgspec import Struct

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import Cash, Nanos, Price, Size

Level = tuple[Price, Size]
Change = tuple[Side, Price, Size]
"""The side of the book, the level, and its new total size; 0 removes the level."""


class Event(Struct, frozen=True, tag=True, tag_field="type"):
    """A fact. `at` is when the desk learned it, stamped once by the loop (nanoseconds since the epoch)."""

    at: Nanos


class Ticked(Event, frozen=True, tag=True):
    """Time passed: arrives every 100 ms and drives every timeout."""


class BookReset(Event, frozen=True, tag=True):
    """A whole book: bids ascending and asks descending as on the wire, best last, in YES terms."""

    market: str
    ts: Nanos
    """Venue time."""
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    token: str = ""
    """The token whose book was sent: the hash covers that token's own levels. Empty: YES."""
    hash: str = ""
    tick: Price = Price(0)
    """0 where the frame did not say."""
    last: str | None = None
    """last_trade_price exactly as written, which the hash covers; None where the frame did not say."""
    rest: bool = False
    """From REST /book (an audit or a resync), whose hash includes every field."""


class BookChanged(Event, frozen=True, tag=True):
    """Levels took new sizes. One frame, both tokens: the pair is one change."""

    market: str
    ts: Nanos
    changes: tuple[Change, ...]
    hash_yes: str = ""
    """Hash of the YES token's whole book after the change; empty where the frame did not say."""
    hash_no: str = ""
    best_bid: Price | None = None
    """The venue's own touch after the change, in YES terms, where the frame said it."""
    best_ask: Price | None = None


class Traded(Event, frozen=True, tag=True):
    """Somebody took: price, size and the taker's side in YES terms."""

    market: str
    ts: Nanos
    price: Price
    size: Size
    side: Side
    last: str = ""
    """The price as written on the wire (last_trade_price of the next hash)."""


class TickSizeChanged(Event, frozen=True, tag=True):
    """The grid changed: a new epoch of the book. Orders off the grid are refused from here on."""

    market: str
    ts: Nanos
    tick: Price


class ReferenceMoved(Event, frozen=True, tag=True):
    """A source told a reference price (`btc/usd`), in micro-dollars."""

    source: str
    symbol: str
    price: Cash
    ts: Nanos
    """The source's own time of the price."""


class MarketListed(Event, frozen=True, tag=True):
    """Discovery chose a market, or its terms changed."""

    market: Market


class MarketClosed(Event, frozen=True, tag=True):
    """No more orders; the result is not known yet."""

    market: str


class MarketResolved(Event, frozen=True, tag=True):
    """The result: what one YES share pays (0, ONE, or 5000 for a 50-50)."""

    market: str
    payout_yes: Price


class OrderSigned(Event, frozen=True, tag=True):
    """The order's id at the venue (the EIP-712 hash), known and written down before the order leaves."""

    order: int
    venue_id: str


class OrderAccepted(Event, frozen=True, tag=True):
    """The venue has the order. `order` is the desk's own count."""

    order: int
    venue_id: str = ""
    size: Size = Size(0)
    """The size the venue took where it resized the order; 0: as asked."""


class OrderRejected(Event, frozen=True, tag=True):
    """A definitive no: the order does not exist and never will."""

    order: int
    reason: str
    code: str = ""
    """post_only | balance | tick | size | closed | limit | other: what policy follows."""


class OrderCancelled(Event, frozen=True, tag=True):
    """The order rests no more; `matched` is what the venue says was filled of it in all, perhaps more than we have heard of yet."""

    order: int
    matched: Size
    reason: str = ""


class OrderFilled(Event, frozen=True, tag=True):
    """A part of our order traded (MATCHED, not settled yet). The key is (trade, order). Terms are the order's own token and side."""

    order: int
    trade: str
    price: Price
    size: Size
    fee: Cash = Cash(0)
    """Positive: paid; negative: rebate."""
    maker: bool = True
    adverse: Cash = Cash(0)
    """Adverse selection charged by the simulated venue; 0 in production, where the market charges it."""
    worth: Cash = Cash(0)
    """What was paid or got for all of it, where it was traded at several prices and `price` is their average; 0: price times size."""


class OrderUncertain(Event, frozen=True, tag=True):
    """Neither accepted nor rejected: silence, or an answer that proves nothing."""

    order: int
    reason: str


class FillSettled(Event, frozen=True, tag=True):
    """A matched trade reached its end on chain: confirmed, or failed and undone."""

    trade: str
    order: int
    ok: bool


class OrderSeen(Struct, frozen=True):
    """What the venue's account says of one order: open, done, or absent (proven never to have been booked)."""

    order: int
    status: str
    matched: Size


class ExternalOrder(Struct, frozen=True):
    """An open order of this wallet that this desk did not place."""

    order: int
    """Negative: counted by the venue, the same number for the same order."""
    venue_id: str
    market: str
    token: str
    side: Side
    price: Price
    rest: Size
    earlier: bool = False
    """An earlier run of the desk's signed it: it is being cancelled."""


class AccountSeen(Event, frozen=True, tag=True):
    """The answer to Sync: the whole account at the venue. Fills of the orders asked about were sent again before it."""

    cash: Cash
    """Free and reserved together: the desk's own part of it, where the wallet holds more than the desk may use."""
    positions: tuple[tuple[str, Size], ...]
    """(token id, shares), zero positions left out."""
    orders: tuple[OrderSeen, ...]
    """Every open order of the desk, and each order that the Sync asked about whose state is known."""
    external: tuple[ExternalOrder, ...] = ()
    """Every open order of the wallet that is not the desk's."""


class AccountOpened(Event, frozen=True, tag=True):
    """The venue's account as the run begins: what cash the desk starts with. It replaces the cash that the profile names."""

    cash: Cash


class PositionFound(Event, frozen=True, tag=True):
    """Shares that the wallet held before this run. They count as bought at `price`, so the run's profit starts at nothing."""

    market: str
    token: str
    size: Size
    price: Price


class ExternalFilled(Event, frozen=True, tag=True):
    """A trade of this wallet with an order that the desk did not place (by hand, or by another program). Key: (trade, order)."""

    order: int
    """Negative, as in ExternalOrder."""
    trade: str
    market: str
    token: str
    side: Side
    price: Price
    size: Size
    fee: Cash = Cash(0)
    worth: Cash = Cash(0)
    """As in OrderFilled."""


class WalletSeen(Event, frozen=True, tag=True):
    """What the chain says the wallet holds: the desk's own part of the cash, and the shares of every token it trades."""

    cash: Cash
    positions: tuple[tuple[str, Size], ...]
    gas: Cash = Cash(0)
    """Gas paid so far by this run, micro-dollars."""


class PairsMerged(Event, frozen=True, tag=True):
    """The answer to Merge: this many pairs of YES and NO became dollars; 0 where it could not be done."""

    market: str
    size: Size
    gas: Cash = Cash(0)
    """Paid for it, micro-dollars."""
    reason: str = ""
    """Why not, where it could not."""


class ClockSeen(Event, frozen=True, tag=True):
    """The venue's clock was read: it is at least `least` and at most `most` ahead of ours (nanoseconds; negative: behind)."""

    least: int
    most: int


class LinkUp(Event, frozen=True, tag=True):
    """A connection works: market, user, rest, venue."""

    link: str


OPENING = "opening"


class LinkDown(Event, frozen=True, tag=True):
    """A connection is lost, or, with the reason OPENING, not there yet."""

    link: str
    reason: str


class VenueModeChanged(Event, frozen=True, tag=True):
    """What the venue takes: all (`open`), or not: restarting, post_only, cancel_only, disabled, limited, key refused."""

    mode: str
    until: Nanos = Nanos(0)
    """Nothing that the mode forbids leaves before: what the venue asked for, else the desk's own patience. 0 where it is open."""
