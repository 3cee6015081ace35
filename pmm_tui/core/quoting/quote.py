"""A wish: what a strategy would like to have resting, and who withheld it."""

from msgspec import Struct

from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import Price, Size


class Quote(Struct, frozen=True):
    """A wish. `price` is a float dollar until the shaper `place`, the one crossing, puts it on the grid as an integer Price."""

    strategy: str
    token: str
    side: Side
    price: float | Price
    size: Size
    level: int = 0
    """0 is the best level, 1 the next."""
    kind: Kind = Kind.POST_ONLY
    held: str = ""
    """Who withheld it and why; shown, never sent."""
