"""How a resting paper order fills: three models behind four verbs, each answering how many shares of one order trade."""

from typing import Annotated, Literal, NamedTuple, Protocol

from msgspec import Meta, Struct

from pmm_tui.core.events import Traded
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import LOT, SECOND, Nanos, Price, Size, floor_lot, shares
from pmm_tui.venues.paper.chance import Chance
from pmm_tui.venues.paper.queue import QueuePlace, behind


def _knob(description: str, low: float, high: float) -> Meta:
    return Meta(ge=low, le=high, description=description, extra={"restart": True})


class PaperKnobs(Struct, frozen=True):
    """The simulated venue. Nothing here can change while it runs: a run with two rule books proves nothing."""

    fill_model: Annotated[
        Literal["coin", "queue", "bbo"],
        Meta(description="how resting orders fill: coin, queue (needs trades) or bbo", extra={"restart": True}),
    ] = "coin"
    fill_probability: Annotated[float, _knob("coin: chance that what touches an order fills it", 0, 1)] = 0.3
    fill_distance_decay: Annotated[
        bool,
        Meta(
            description="coin: multiply the chance by max(0.05, 1 - distance / (2 half spread)), distance from the mid before the touch",
            extra={"restart": True},
        ),
    ] = False
    partial_fill_probability: Annotated[float, _knob("coin: chance that a fill takes only a random part of what it could", 0, 1)] = 0.3
    queue_base_probability: Annotated[float, _knob("queue: chance that a trade at the level of an order at its head fills it", 0, 1)] = 0.3
    queue_through_factor: Annotated[float, _knob("queue: factor of the chance for a trade through the price", 1, 10)] = 1.5
    queue_size_factor_min: Annotated[float, _knob("queue: least factor of trade size over order size", 0, 1)] = 0.5
    queue_size_factor_max: Annotated[float, _knob("queue: largest factor of trade size over order size", 1, 10)] = 2.0
    queue_exponent: Annotated[float, _knob("queue: exponent of (1 - share of the level ahead of us)", 0, 10)] = 1.5
    queue_wrong_side_factor: Annotated[float, _knob("queue: factor of the chance for a trade reported on the other side", 0, 1)] = 0.3
    queue_trade_share_max: Annotated[float, _knob("queue: most of one trade that all our orders together can get, 0..1", 0, 1)] = 0.4
    queue_order_age_s_max: Annotated[
        float, _knob("queue: the venue cancels an order that rested this long, seconds; 0: never", 0, 864_000)
    ] = 300.0
    queue_estimator: Annotated[
        Literal["power", "power2", "power3", "log", "log2", "risk_adverse"],
        Meta(description="queue: who cancelled when a level shrinks without a trade", extra={"restart": True}),
    ] = "power"
    queue_power_n: Annotated[float, _knob("queue: exponent of the power estimators", 0.1, 10)] = 2.0
    slippage_bps: Annotated[
        float, _knob("takers: price worsened, never past the limit; bbo: charged on resting fills too; basis points", 0, 1_000)
    ] = 5.0
    adverse_selection_bps: Annotated[float, _knob("charged on the notional of every fill, basis points", 0, 1_000)] = 0.0
    maker_fee_bps: Annotated[
        Annotated[float, Meta(ge=-1_000, le=1_000)] | None,
        Meta(description="flat maker fee, basis points; negative is a rebate; empty: the venue's curve", extra={"restart": True}),
    ] = None
    taker_fee_bps: Annotated[
        Annotated[float, Meta(ge=0, le=1_000)] | None,
        Meta(description="flat taker fee, basis points; empty: the venue's curve", extra={"restart": True}),
    ] = None
    feed_latency_ms: Annotated[float, _knob("the exchange sees the market this much before the desk, milliseconds", 0, 60_000)] = 30.0
    placement_latency_ms: Annotated[float, _knob("from the desk's order to the exchange, milliseconds", 0, 60_000)] = 100.0
    cancel_latency_ms: Annotated[float, _knob("from the desk's cancel to the exchange, milliseconds", 0, 60_000)] = 50.0
    answer_latency_ms: Annotated[float, _knob("from the exchange to the desk, milliseconds; never less than the feed's", 0, 60_000)] = 30.0
    settlement_latency_ms: Annotated[float, _knob("from a fill to its end on chain, milliseconds", 0, 600_000)] = 2_000.0
    settlement_failure_probability: Annotated[float, _knob("chance that a fill fails on chain and is undone", 0, 1)] = 0.0
    venue_position_shares_max: Annotated[float, _knob("most shares of one token held and bid for; 0: no limit", 0, 1e9)] = 0.0


class NoTrades(ValueError):
    """The queue model was asked to run on a source that carries no trades."""


def check_source(knobs: PaperKnobs, has_trades: bool) -> None:
    """Refuse a fill model that the source cannot feed: raises NoTrades with the reason."""
    if knobs.fill_model == "queue" and not has_trades:
        raise NoTrades(
            "fill_model: queue fills from trades only, and this source is made of book snapshots without trades, "
            "so nothing would ever fill; choose coin or bbo"
        )


class Resting(Struct, eq=False):
    """An order in the paper exchange. `side` and `price` are its own token's; `bid` and `level` say where it stands in the YES book."""

    id: int
    market: str
    token: str
    side: Side
    price: Price
    size: Size
    kind: Kind
    bid: bool
    level: Price
    filled: Size = Size(0)
    held: int = 0
    """What the account holds back for it: micro-dollars of a buy, micro-shares of a sell."""
    place: QueuePlace | None = None

    @property
    def rest(self) -> Size:
        """What is not filled."""
        return Size(self.size - self.filled)


class Touch(NamedTuple):
    """Best bid and ask in YES terms, before the event in hand."""

    bid: Price
    ask: Price


class FillModel(Protocol):
    """A belief about who gets filled. `trade_share` is the most of one trade that our orders can get together."""

    trade_share: float
    by_touch: bool
    """Whether the book touching an order is evidence of a fill."""
    age_max: Nanos
    """The venue cancels an order that rested this long; 0: never."""

    def placed(self, order: Resting, displayed: Size) -> None:
        """The order rests, behind `displayed` shares of others on its level."""
        ...

    def changed(self, order: Resting, displayed: Size) -> None:
        """The order's level shows this size now. Never a fill: a size that shrinks is not a trade."""
        ...

    def traded(self, order: Resting, trade: Traded, left: Size, before: Touch) -> Size:
        """A trade printed at or through the order; `left` shares of it are still to be had."""
        ...

    def touched(self, order: Resting, fresh: Size, before: Touch) -> Size:
        """The other side of the book reached or passed the order with `fresh` shares that it was not offered yet."""
        ...


class Coin:
    """A coin for each touch and each trade at or through the order, thrown once for the same liquidity."""

    trade_share = 1.0
    by_touch = True
    age_max = Nanos(0)

    def __init__(self, knobs: PaperKnobs, chance: Chance) -> None:
        self._knobs = knobs
        self._chance = chance

    def placed(self, order: Resting, displayed: Size) -> None:
        """Nothing to remember."""

    def changed(self, order: Resting, displayed: Size) -> None:
        """Nothing to remember."""

    def traded(self, order: Resting, trade: Traded, left: Size, before: Touch) -> Size:
        """A print at or through the order is a touch by the trade's size."""
        return self.touched(order, left, before)

    def touched(self, order: Resting, fresh: Size, before: Touch) -> Size:
        """Heads: what can be had, or a random part of it in lots."""
        size = floor_lot(min(order.rest, fresh))
        if size <= 0 or not self._chance.hits(self._knobs.fill_probability * self.decay(order, before)):
            return Size(0)
        if self._chance.hits(self._knobs.partial_fill_probability):
            size = max(LOT, floor_lot(int(size * self._chance.unit())))
        return size

    def decay(self, order: Resting, before: Touch) -> float:
        """`max(0.05, 1 - distance / (2 half_spread))`, distance from the mid just before the touch; 1 where there was no such mid.

        At the touch itself the order is never behind the mid, so the distance has to be the one it was quoting at.
        """
        spread = before.ask - before.bid
        if not self._knobs.fill_distance_decay or spread <= 0 or before.bid <= 0 or before.ask >= 10_000:
            return 1.0
        return max(0.05, 1 - abs(2 * order.level - before.bid - before.ask) / (2 * spread))


class Bbo:
    """The best bid and offer decide alone: what newly reaches the order fills it, up to what is displayed."""

    trade_share = 0.0
    by_touch = True
    age_max = Nanos(0)

    def placed(self, order: Resting, displayed: Size) -> None:
        """Nothing to remember."""

    def changed(self, order: Resting, displayed: Size) -> None:
        """Nothing to remember."""

    def traded(self, order: Resting, trade: Traded, left: Size, before: Touch) -> Size:
        """Trades are not looked at."""
        return Size(0)

    def touched(self, order: Resting, fresh: Size, before: Touch) -> Size:
        """All that is displayed at or through the price."""
        return floor_lot(min(order.rest, fresh))


class Queue:
    """Trades decide, and the order's place in its level's queue: the displayed book alone never fills."""

    by_touch = False

    def __init__(self, knobs: PaperKnobs, chance: Chance) -> None:
        self._knobs = knobs
        self._chance = chance
        self._law = behind(knobs.queue_estimator, knobs.queue_power_n)
        self.trade_share = knobs.queue_trade_share_max
        self.age_max = Nanos(round(knobs.queue_order_age_s_max * SECOND))

    def placed(self, order: Resting, displayed: Size) -> None:
        """At the back of its level."""
        order.place = QueuePlace(shares(displayed), self._law)

    def changed(self, order: Resting, displayed: Size) -> None:
        """Others came or went: the estimate moves."""
        if order.place is not None:
            order.place.changed(shares(displayed))

    def traded(self, order: Resting, trade: Traded, left: Size, before: Touch) -> Size:
        """A throw with the factors of the trade; then the queue moves by it, where it was on our side."""
        place = order.place
        if place is None:
            return Size(0)
        through = trade.price != order.level
        right = (trade.side is Side.SELL) == order.bid
        if through and right:
            place.swept()
        probability = self.probability(order, trade, place, through, right)
        if right and not through:
            place.traded(shares(trade.size))
        size = floor_lot(min(order.rest, left))
        return size if size > 0 and self._chance.hits(probability) else Size(0)

    def touched(self, order: Resting, fresh: Size, before: Touch) -> Size:
        """Displayed size is not a trade."""
        return Size(0)

    def probability(self, order: Resting, trade: Traded, place: QueuePlace, through: bool, right: bool) -> float:
        """Base x price x size x queue x side, at most 1. A trade through the price on our side has swept whoever was ahead."""
        knobs = self._knobs
        size = min(knobs.queue_size_factor_max, max(knobs.queue_size_factor_min, trade.size / max(1, order.rest)))
        queue = (1 - place.ahead) ** knobs.queue_exponent
        price = knobs.queue_through_factor if through else 1.0
        side = 1.0 if right else knobs.queue_wrong_side_factor
        return float(min(1.0, knobs.queue_base_probability * price * size * queue * side))


def fill_model(knobs: PaperKnobs, chance: Chance) -> FillModel:
    """The model the knobs name."""
    if knobs.fill_model == "coin":
        return Coin(knobs, chance)
    return Queue(knobs, chance) if knobs.fill_model == "queue" else Bbo()
