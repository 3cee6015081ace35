"""What a flatten would send: the order that closes a position, its worst price and what it costs."""

import math

from msgspec import Struct

from pmm_tui.core.snapshot import MarketRow
from pmm_tui.core.units import ONE, Cash, Price, Size, gets
from pmm_tui.tui.state import OVER

SLIPPAGE_TICKS = 2
"""The desk's own default for a flatten."""


class Exit(Struct, frozen=True):
    """What a flatten would send for one market: sell the net position at `worst` or better, in the outcome's own terms."""

    market: str
    outcome: str
    size: Size
    worst: Price
    """0 where there is no bid to sell into."""
    proceeds: Cash
    """At the worst price."""
    cost: Cash
    """Against the mid; 0 where there is no mid."""
    covered: Size
    """What the book shows at the worst price or better."""


def exit_of(row: MarketRow, slippage_ticks: int = SLIPPAGE_TICKS) -> Exit | None:
    """The order that closes a market's net position; None where it is flat or over. Pairs of YES and NO are kept: they pay a dollar."""
    net = row.yes - row.no
    if not net or row.state in OVER:
        return None
    levels = row.bids if net > 0 else row.asks
    touch = [(level.price if net > 0 else Price(ONE - level.price), Size(level.size)) for level in levels if level.size]
    best = touch[0][0] if touch else Price(0)
    worst = Price(max(row.tick, best - slippage_ticks * row.tick)) if best else Price(0)
    size = Size(abs(net))
    proceeds = gets(worst, size)
    mid = row.mid if net > 0 else 1 - row.mid
    fair = gets(round(mid * ONE), size) if math.isfinite(mid) else proceeds
    covered = Size(min(size, sum(size for price, size in touch if price >= worst)))
    return Exit(row.id, row.outcomes[0 if net > 0 else 1], size, worst, proceeds, Cash(fair - proceeds), covered)
