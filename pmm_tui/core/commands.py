"""Everything the desk can ask for."""

from msgspec import Struct

from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import Price, Size


class Command(Struct, frozen=True, tag=True, tag_field="type"):
    """A request to the world."""


class Place(Command, frozen=True, tag=True):
    """Place an order; `order` is the desk's own count and the only id the core knows."""

    order: int
    market: str
    token: str
    side: Side
    price: Price
    size: Size
    kind: Kind = Kind.POST_ONLY


class Cancel(Command, frozen=True, tag=True):
    """Cancel one order."""

    order: int


class CancelAll(Command, frozen=True, tag=True):
    """Cancel every order of the account."""


class Sync(Command, frozen=True, tag=True):
    """Tell the whole account: fills of these orders again, then AccountSeen."""

    orders: tuple[int, ...] = ()


class Merge(Command, frozen=True, tag=True):
    """Turn this many pairs of YES and NO shares back into dollars."""

    market: str
    size: Size


class Watch(Command, frozen=True, tag=True):
    """Subscribe to a market's book; asked again for a watched market, fetch it anew (resync)."""

    market: str


class Unwatch(Command, frozen=True, tag=True):
    """The market is over or no longer wanted."""

    market: str


class Alert(Command, frozen=True, tag=True):
    """Tell a person. `key` groups repeats; `level` is info, warn or alarm."""

    level: str
    key: str
    text: str
