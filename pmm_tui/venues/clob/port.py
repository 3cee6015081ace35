"""What the production venue needs of the CLOB: requests, typed answers, and a typed trouble for every way they can fail."""

from collections.abc import Sequence
from typing import Any, Protocol

from msgspec import Struct

from pmm_tui.core.commands import Place
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import Cash, Nanos, Price, Size


class Trouble(Exception):
    """The CLOB did not do as asked. `text` never holds a header, a signature or a key."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Refused(Trouble):
    """A definitive no: a 4xx with a body that the venue's documents know. Nothing was booked by this request."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class Unauthorized(Trouble):
    """401 or 403: the key is revoked, or the signature is not ours."""


class Limited(Trouble):
    """429, or a throttling page in front of the venue. Nothing was booked."""

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Closed(Trouble):
    """The venue takes no orders now. `mode`: restarting (425), post_only, cancel_only, disabled (503). Nothing was booked."""

    def __init__(self, text: str, mode: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.mode = mode
        self.retry_after_s = retry_after_s


class Silent(Trouble):
    """A timeout, a broken connection, a 5xx, or an answer that proves nothing: it may have been done, or not."""


class Signed(Struct, frozen=True):
    """A signed order, ready to be sent, and only ever sent as these bytes."""

    order: int
    """The desk's own count."""
    id: str
    """The EIP-712 hash: the id that the venue will give it."""
    body: Any
    """The client's own: what it posts."""


class Leg(Struct, frozen=True):
    """What became of one order of a POST."""

    id: str
    """Empty where it was refused."""
    status: str
    """live, matched, delayed, unmatched; empty where it was refused."""
    error: str
    """Empty where it was taken."""


class Cancelled(Struct, frozen=True):
    """The answer to a cancel."""

    gone: tuple[str, ...]
    kept: dict[str, str]
    """Id to the venue's reason."""


class Standing(Struct, frozen=True):
    """An order as GET /data/orders or /data/order/{id} tells it."""

    id: str
    market: str
    token: str
    side: Side
    price: Price
    size: Size
    matched: Size
    status: str
    """LIVE, MATCHED, CANCELED ... in upper case, without the prefix ORDER_STATUS_."""


class Piece(Struct, frozen=True):
    """The part of one trade that is this wallet's, in the terms of its own order: from GET /data/trades or the user channel."""

    trade: str
    order: str
    """The venue's id of our order in it."""
    market: str
    token: str
    side: Side
    price: Price
    size: Size
    maker: bool
    status: str
    """MATCHED, MINED, CONFIRMED, RETRYING, FAILED; MATCHED_NOT_BROADCASTED is MATCHED."""
    at_s: int
    """match_time, seconds since the epoch."""
    legs: tuple[tuple[Price, Size], ...] = ()
    """Where it was taken at several prices, and `price` is their average: what was traded at each, in the order's own terms."""


class Clob(Protocol):
    """The CLOB for one wallet. Every method but `sign` raises a Trouble and nothing else."""

    @property
    def wallet(self) -> str:
        """The address whose money this is (the maker of every order), with checksum."""
        ...

    @property
    def api_key(self) -> str:
        """The API key's uuid: what the venue calls the owner."""
        ...

    def channel_auth(self) -> dict[str, str]:
        """What the user channel's subscription carries: apiKey, secret, passphrase. Never to be logged."""
        ...

    def sign(self, place: Place, market: Market, at: Nanos) -> Signed:
        """Sign an order (about half a millisecond); ValueError where its price or size is off the market's grid."""
        ...

    async def post(self, orders: Sequence[Signed]) -> list[Leg]:
        """POST one to fifteen orders, one leg each in the same order."""
        ...

    async def cancel(self, ids: Sequence[str]) -> Cancelled:
        """DELETE these orders."""
        ...

    async def cancel_all(self) -> Cancelled:
        """DELETE every order of the key."""
        ...

    async def cancel_market(self, market: str) -> Cancelled:
        """DELETE every order in one market."""
        ...

    async def open_orders(self) -> list[Standing]:
        """Every open order of the wallet, all pages, whoever placed it."""
        ...

    async def order(self, order_id: str) -> Standing | None:
        """One order; None where the venue knows none of this id (which proves nothing by itself)."""
        ...

    async def trades(self, after_s: int) -> list[Piece]:
        """Our pieces of every trade of the wallet matched at or after a time, all pages."""
        ...

    async def cash(self) -> Cash:
        """pUSD of the wallet as the venue's cache says."""
        ...

    async def shares(self, token: str, market: Market) -> Size:
        """Shares of one token as the venue's cache says."""
        ...

    async def refresh(self, token: str | None, market: Market | None) -> None:
        """Ask the venue to renew its cache of one balance; None: the collateral."""
        ...

    async def beat(self, last: str) -> str:
        """Send a heartbeat chained to the last id; the next id. A Refused whose text is the expected id means another session beats."""
        ...

    async def neg_risk(self, token: str) -> bool:
        """A market's neg-risk flag as the CLOB has it."""
        ...

    async def server_time_s(self) -> int:
        """The venue's clock, seconds."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...
