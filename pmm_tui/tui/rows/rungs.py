"""What each desk rests, wishes and waits for at every price of a market, and the market seen from its other outcome."""

from msgspec import Struct
from msgspec.structs import replace

from pmm_tui.core.snapshot import LevelRow, MarketRow, OrderRow
from pmm_tui.core.units import ONE, Nanos, Price, Size
from pmm_tui.tui.exposed import unconfirmed


class Own(Struct, frozen=True):
    """What one desk has at a price: resting, at most this much ahead of it in the queue (-1: unknown), wished, and whether that is held.

    `foreign` is what somebody else rests there with the desk's wallet.
    """

    ours: Size = Size(0)
    ahead: Size = Size(-1)
    wish: Size = Size(0)
    held: bool = False
    foreign: Size = Size(0)
    unsure: bool = False
    """Whether it is not known that it rests."""


NOTHING = Own()


class Rung(Struct, frozen=True):
    """One price of the ladder: the market's size there, and what is ours on each edge of the ladder."""

    price: Price
    size: Size
    left: Own
    right: Own


Owns = dict[Price, Own]


def owns(row: MarketRow, orders: tuple[OrderRow, ...], bids: bool, now: int = 0, blind: bool = False) -> Owns:
    """What a desk has or wants on one side of a market, by price, in the terms of `row`; `blind`: it cannot see what rests in its name."""
    made = {level.price: Own(ours=level.ours, unsure=blind) for level in (row.bids if bids else row.asks) if level.ours}
    for order in orders:
        same = order.outcome == row.outcomes[0]
        price = order.price if same else Price(ONE - order.price)
        if order.market != row.id or (order.side == "BUY") != (same is bids):
            continue
        if order.status == "EXTERNAL":
            own = made.get(price, NOTHING)
            made[price] = replace(own, foreign=Size(own.foreign + order.size - order.filled))
            continue
        if price not in made:
            continue
        if order.ahead >= 0:
            known = made[price].ahead
            made[price] = replace(made[price], ahead=order.ahead if known < 0 else min(known, order.ahead))
        if unconfirmed(order, Nanos(now)):
            made[price] = replace(made[price], unsure=True)
    for quote in row.quotes:
        if (quote.side == "BUY") == bids:
            own = made.get(quote.price, NOTHING)
            made[quote.price] = replace(own, wish=Size(own.wish + quote.size), held=bool(quote.held) and (own.held or not own.wish))
    return made


def rungs(levels: tuple[LevelRow, ...], left: Owns, right: Owns, bids: bool) -> list[Rung]:
    """A side of the ladder, best first: every level of the book and every price at which a desk rests or wants to."""
    sizes = {level.price: level.size for level in levels}
    prices = sorted(sizes.keys() | left.keys() | right.keys(), reverse=bids)
    return [Rung(price, sizes.get(price, Size(0)), left.get(price, NOTHING), right.get(price, NOTHING)) for price in prices]


def as_no(row: MarketRow) -> MarketRow:
    """The same market seen from its other outcome: a bid for YES at p is an ask for NO at 1 - p."""

    def turned(levels: tuple[LevelRow, ...]) -> tuple[LevelRow, ...]:
        return tuple(replace(level, price=Price(ONE - level.price)) for level in levels)

    return replace(
        row,
        outcomes=(row.outcomes[1], row.outcomes[0]),
        bids=turned(row.asks),
        asks=turned(row.bids),
        mid=1 - row.mid,
        micro=1 - row.micro,
        imbalance=-row.imbalance,
        fair=1 - row.fair,
        centre=1 - row.centre,
        last=Price(ONE - row.last) if row.last else row.last,
        quotes=tuple(replace(one, side=one.side.other, price=Price(ONE - one.price)) for one in row.quotes),
        trades=tuple(replace(one, side=one.side.other, price=Price(ONE - one.price)) for one in row.trades),
        yes=row.no,
        no=row.yes,
    )
