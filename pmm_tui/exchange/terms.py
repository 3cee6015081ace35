"""What the exchange deals in: orders, trades, and the facts it has to tell, in integers and before any JSON."""

from enum import StrEnum

from msgspec import Struct, field

from pmm_tui.core.events import Change
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import Cash, Nanos, Price, Size


class Lasts(StrEnum):
    """How long an order lasts, in the venue's words (POST /order `orderType`)."""

    GTC = "GTC"
    GTD = "GTD"
    FOK = "FOK"
    FAK = "FAK"


class Order(Struct):
    """One order in the exchange's own record. Price and size are those of its own token and side."""

    id: str
    """0x and 64 hex digits: the EIP-712 hash of the signed order."""
    wallet: str
    """The maker: whose money and shares these are."""
    owner: str
    """The API key (uuid) that posted it; empty for the exchange's own participants."""
    market: str
    token: str
    side: Side
    price: Price
    size: Size
    lasts: Lasts
    post_only: bool
    created: Nanos
    expires: Nanos = Nanos(0)
    """GTD: the stated expiration; the exchange ends it 60 s earlier. 0: none."""
    budget: Cash = Cash(0)
    """A market buy (FOK/FAK): dollars to spend at most; 0 for every order counted in shares."""
    matched: Size = Size(0)
    status: str = "LIVE"
    """LIVE, MATCHED, DELAYED, CANCELED, CANCELED_MARKET_RESOLVED, CANCELED_NOT_ENOUGH_BALANCE, CANCELED_EXPIRED_ORDER, INVALID ..."""
    trades: list[str] = field(default_factory=list)
    seq: int = 0
    """Place in the queue of its level: counted, never a time."""

    @property
    def rest(self) -> Size:
        """What may still match."""
        return Size(self.size - self.matched)


class Part(Struct, frozen=True):
    """A maker's part of a trade, in the maker's own token and side."""

    order: str
    owner: str
    wallet: str
    token: str
    side: Side
    price: Price
    size: Size


class Trade(Struct):
    """One taker against one or more makers. The top-level terms are the taker's."""

    id: str
    taker: str
    """The taker's order id."""
    owner: str
    wallet: str
    market: str
    token: str
    side: Side
    price: Price
    """The taker's average price, on the venue's price grid of 0.0001 rounded against the taker."""
    size: Size
    fee: Cash
    parts: tuple[Part, ...]
    at: Nanos
    updated: Nanos
    status: str = "MATCHED"
    """MATCHED, MINED, CONFIRMED, RETRYING, FAILED."""
    tx: str = ""
    """Transaction hash, once there is one."""
    bucket: int = 0


class Fact(Struct, frozen=True, tag=True):
    """Something to tell: `at` is the exchange's own time."""

    at: Nanos


class LevelsMoved(Fact, frozen=True, tag=True):
    """Levels of one market's book took new total sizes (YES terms). One operation, one fact."""

    market: str
    changes: tuple[Change, ...]


class Printed(Fact, frozen=True, tag=True):
    """A trade for the public tape, in the taker's own token and side (last_trade_price)."""

    market: str
    trade: str
    token: str
    side: Side
    price: Price
    size: Size


class OrderTold(Fact, frozen=True, tag=True):
    """News of one order for its owner: PLACEMENT, UPDATE or CANCELLATION, with the order as it is then."""

    kind: str
    order: Order


class TradeTold(Fact, frozen=True, tag=True):
    """A trade, or its new status, for every owner in it, with the trade as it is then."""

    trade: Trade


class TickMoved(Fact, frozen=True, tag=True):
    """The grid of one market changed."""

    market: str
    old: Price
    new: Price


class Listed(Fact, frozen=True, tag=True):
    """A market is open."""

    market: Market


class Closed(Fact, frozen=True, tag=True):
    """A market takes no more orders."""

    market: str


class Resolved(Fact, frozen=True, tag=True):
    """A market has its result: what one YES share pays."""

    market: str
    payout_yes: Price


class Ask(Struct, frozen=True):
    """One HTTP request as the exchange sees it."""

    method: str
    path: str
    """Without the query."""
    query: str = ""
    """Raw, without the question mark."""
    headers: dict[str, str] = {}
    """Names in lower case."""
    body: bytes = b""
    ip: str = "127.0.0.1"


class Answer(Struct, frozen=True):
    """One HTTP response."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    kind: str = "application/json"


class Frame(Struct, frozen=True):
    """One WebSocket text frame on its way out."""

    channel: str
    """market, user or rtds."""
    key: str
    """Who gets it: a token id (market), an API key (user), a topic (rtds). Empty: everyone on the channel."""
    raw: str
    at: Nanos
    """When it leaves."""
