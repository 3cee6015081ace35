"""What a strategy may see of one market at one moment."""

from msgspec import Struct

from pmm_tui.core.market import Market
from pmm_tui.core.units import Cash, Nanos, Price, Size


class View(Struct, frozen=True):
    """One market as a strategy sees it: the touch with our own orders taken out, volatility, inventory and money. Floats are dollars."""

    at: Nanos
    market: Market
    tick: Price
    """The grid now: the market's own tick may have changed since it was listed."""
    bid: Price
    """Best bid of the others; 0 where there is none."""
    bid_size: Size
    ask: Price
    """Best ask of the others; ONE where there is none."""
    ask_size: Size
    sigma: float
    """Volatility in force, dollars per square root of a second (effective: floored, or the fallback)."""
    yes: Size
    """YES shares held, pending fills included."""
    no: Size
    free_yes: Size
    """YES shares that may be sold now: confirmed and not promised to a resting sell."""
    free_no: Size
    cash: Cash
    """Cash not reserved by resting buys."""
    equity: Cash
    initial: Cash

    @property
    def net(self) -> int:
        """Signed inventory in YES shares: YES minus NO."""
        return self.yes - self.no

    @property
    def seconds_left(self) -> float:
        """Seconds to the market's end; infinite where none is named."""
        return (self.market.closes - self.at) / 1e9 if self.market.closes else float("inf")
