"""Laws of the desk whatever the venue answers: reconcile twice = once, held is never sent, a kill only cancels, caps hold at the worst."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pmm_tui.core.commands import Alert, Cancel, CancelAll, Command, Place, Sync
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import (
    Event,
    FillSettled,
    MarketListed,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderUncertain,
    Ticked,
)
from pmm_tui.core.instructions import Killed
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.life import NEXT, Order, Status, move
from pmm_tui.core.orders.reconcile import reconcile
from pmm_tui.core.orders.room import room_of
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.units import LOT, SHARE, Cash, Nanos, Price, Size
from tests.core.desk import MARKET, at, book, knobs

PRICES = st.integers(1, 99).map(lambda cents: Price(cents * 100))
SIZES = st.integers(5, 60).map(lambda shares: Size(shares * SHARE))
TOKENS = st.sampled_from((MARKET.yes, MARKET.no))
SIDES = st.sampled_from(tuple(Side))
QUOTES = st.builds(Quote, st.just("maker"), TOKENS, SIDES, PRICES, SIZES, held=st.sampled_from(("", "", "", "capital cap")))


def order_of(number: int, quote: Quote, status: Status) -> Order:
    """A live order that would serve this wish."""
    price = Price(int(quote.price))
    return Order(number, MARKET.id, quote.token, quote.side, price, quote.size, Kind.POST_ONLY, "maker", 0, at(0), status)


ORDERS = st.lists(st.tuples(QUOTES, st.sampled_from([status for status in Status if status is not Status.DONE])), max_size=8).map(
    lambda drawn: [order_of(number, quote, status) for number, (quote, status) in enumerate(drawn)]
)


class TestReconcile:
    @given(st.lists(QUOTES, max_size=8), ORDERS, st.sampled_from((0, 100, 300)), st.sampled_from((0.0, 25.0)))
    def test_twice_is_once(self, quotes: list[Quote], live: list[Order], price_tolerance: int, size_tolerance: float) -> None:
        first = reconcile(quotes, live, price_tolerance, size_tolerance)
        gone = {order.id for order in first.cancel}
        placed = [order_of(100 + number, quote, Status.SENT) for number, quote in enumerate(first.place)]
        after = [order for order in live if order.id not in gone] + placed
        second = reconcile(quotes, after, price_tolerance, size_tolerance)
        assert (second.cancel, second.place) == ((), ())
        assert second.kept == first.kept + len(first.place)

    @given(st.lists(QUOTES, max_size=8), ORDERS, st.sampled_from((0, 100)))
    def test_held_is_never_sent_and_nothing_joins_an_uncertain_order(self, quotes: list[Quote], live: list[Order], tolerance: int) -> None:
        difference = reconcile(quotes, live, tolerance, 0.0)
        assert all(not quote.held for quote in difference.place)
        unsure = {(order.token, order.side, order.price) for order in live if order.status is Status.UNCERTAIN}
        assert not unsure & {(quote.token, quote.side, quote.price) for quote in difference.place}
        assert {order.status for order in difference.cancel} <= {Status.OPEN, Status.SENT}

    @given(st.lists(QUOTES, max_size=8), ORDERS)
    def test_every_wish_is_served_placed_held_or_blocked(self, quotes: list[Quote], live: list[Order]) -> None:
        difference = reconcile(quotes, live, 0, 0.0)
        free = sum(order.status in (Status.OPEN, Status.SENT) for order in live)
        assert difference.kept + len(difference.cancel) == free
        assert difference.kept + len(difference.place) <= sum(not quote.held for quote in quotes)


ANSWERS = ("accept", "reject", "fill", "part", "cancelled", "owed", "uncertain", "settle", "fail", "again")


class Adversary:
    """A venue that answers anything about any order it was ever sent, in any order, as long as no order fills beyond its size."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.placed: list[Place] = []
        self.filled: dict[int, int] = {}
        self.fills: list[OrderFilled] = []
        self.ms = 0

    def tell(self, event: Event) -> list[Command]:
        """One fact; what was asked for is remembered."""
        commands = self.engine.step(event)
        self.placed += [command for command in commands if isinstance(command, Place)]
        return commands

    def answer(self, kind: str, which: int) -> list[Command]:
        """One answer about one of the orders, or none where there is none yet."""
        if not self.placed:
            return []
        place = self.placed[-1 - which % min(12, len(self.placed))]
        number, left = place.order, place.size - self.filled.get(place.order, 0)
        if kind in ("fill", "part"):
            size = left if kind == "fill" else left // 2 - left // 2 % LOT
            return self._fill(place, size) if size else []
        if kind in ("settle", "fail", "again"):
            fills = [fill for fill in self.fills if fill.order == number]
            if not fills:
                return []
            return self.tell(fills[0] if kind == "again" else FillSettled(self.now, fills[0].trade, number, kind == "settle"))
        filled = Size(self.filled.get(number, 0))
        events: dict[str, Event] = {
            "accept": OrderAccepted(self.now, number),
            "reject": OrderRejected(self.now, number, "no", "other"),
            "cancelled": OrderCancelled(self.now, number, filled),
            "owed": OrderCancelled(self.now, number, Size(filled + left // 2)),
            "uncertain": OrderUncertain(self.now, number, "silence"),
        }
        return self.tell(events[kind])

    def _fill(self, place: Place, size: int) -> list[Command]:
        self.filled[place.order] = self.filled.get(place.order, 0) + size
        fill = OrderFilled(self.now, place.order, f"t{len(self.fills)}", place.price, Size(size))
        self.fills.append(fill)
        return self.tell(fill)

    @property
    def now(self) -> Nanos:
        """The time of the next fact."""
        return at(self.ms)


MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("book"), st.integers(4, 95)),
        st.tuples(st.just("tick"), st.integers(1, 8)),
        st.tuples(st.sampled_from(ANSWERS), st.integers(0, 11)),
    ),
    min_size=1,
    max_size=60,
)
KNOBS = st.fixed_dictionaries(
    {
        "max_position_size": st.sampled_from((10.0, 30.0, 200.0)),
        "max_open_orders": st.sampled_from((1, 3, 200)),
        "max_total_pct": st.sampled_from((5.0, 30.0, 100.0)),
        "initial_balance": st.sampled_from((30.0, 500.0)),
        "default_order_size": st.sampled_from((5.0, 25.0)),
        "max_balance_fraction_per_order": st.sampled_from((0.05, 1.0)),
        "levels": st.sampled_from((1, 3)),
        "order_timeout_s": st.sampled_from((0.5, 5.0)),
        "shrink_to_position_limit": st.booleans(),
    }
)


def play(adversary: Adversary, moves: list[tuple[str, int]]) -> list[list[Command]]:
    """Play moves; the commands of each."""
    told = []
    for kind, number in moves:
        adversary.ms += 40
        if kind == "book":
            told.append(adversary.tell(book(adversary.ms, f"{number - 2}x50 {number - 1}x20 | {number + 1}x20 {number + 2}x50")))
        elif kind == "tick":
            adversary.ms += 100 * number
            told.append(adversary.tell(Ticked(adversary.now)))
        else:
            told.append(adversary.answer(kind, number))
    return told


def desk(changes: dict[str, float]) -> Adversary:
    """A desk with one listed market and a book, at an adversary."""
    adversary = Adversary(Engine(knobs(kill_switch_max_drawdown_pct=100.0, **changes)))
    adversary.tell(MarketListed(at(0), MARKET))
    adversary.tell(book(0, "47x50 49x50 | 51x50 53x50"))
    return adversary


class TestCaps:
    @settings(max_examples=150, deadline=None)
    @given(KNOBS, MOVES)
    def test_at_the_worst_every_cap_holds_when_an_order_leaves(
        self, changes: dict[str, float], moves: list[tuple[str, int]]
    ) -> None:
        adversary = desk(changes)
        state = adversary.engine.state
        for move_made in moves:
            commands = play(adversary, [move_made])[0]
            placed = [command for command in commands if isinstance(command, Place)]
            if not placed:
                continue
            market = state.markets[MARKET.id]
            room = room_of(MARKET, market.live.values())
            net = state.portfolio.shares(MARKET.yes) - state.portfolio.shares(MARKET.no)
            limit = changes["max_position_size"] * SHARE
            if any((place.token == MARKET.yes) is (place.side is Side.BUY) for place in placed):
                assert net + room.up <= limit
            if any((place.token == MARKET.yes) is not (place.side is Side.BUY) for place in placed):
                assert room.down - net <= limit
            assert len(state.live) <= changes["max_open_orders"]
            if any(place.side is Side.BUY for place in placed):
                assert room.reserved <= state.portfolio.cash
                assert (state.cost(market) + room.reserved) * 100 <= state.equity_now * changes["max_total_pct"]
            for token, selling in ((MARKET.yes, room.selling_yes), (MARKET.no, room.selling_no)):
                held = state.portfolio.holding(token)
                assert held.shares - held.pending >= selling or not any(p.side is Side.SELL and p.token == token for p in placed)

    @settings(max_examples=100, deadline=None)
    @given(KNOBS, MOVES)
    def test_no_cent_appears_or_disappears(self, changes: dict[str, float], moves: list[tuple[str, int]]) -> None:
        adversary = desk(changes)
        portfolio = adversary.engine.state.portfolio
        for move_made in moves:
            play(adversary, [move_made])
            cost = sum(held.cost for held in portfolio.holdings.values())
            assert portfolio.cash + cost + portfolio.fees + portfolio.adverse == portfolio.initial + portfolio.realised
            assert all(held.cost >= 0 and (held.shares or not held.cost) for held in portfolio.holdings.values())


class TestKill:
    @settings(max_examples=100, deadline=None)
    @given(KNOBS, MOVES, MOVES)
    def test_after_a_kill_only_cancels_and_questions(
        self, changes: dict[str, float], before: list[tuple[str, int]], after: list[tuple[str, int]]
    ) -> None:
        adversary = desk(changes)
        play(adversary, before)
        first = adversary.tell(Killed(adversary.now, "law"))
        assert adversary.engine.state.kill.stopped and (CancelAll() in first or not adversary.engine.state.kill.why.startswith("law"))
        for commands in play(adversary, after):
            assert all(isinstance(command, Cancel | CancelAll | Sync | Alert) for command in commands), commands
        statuses = {order.status for order in adversary.engine.state.live.values()}
        assert Status.SENT not in statuses


KINDS = (OrderAccepted, OrderRejected, OrderCancelled, OrderUncertain, OrderFilled)


class TestLife:
    @given(st.sampled_from(tuple(Status)), st.lists(st.sampled_from(KINDS), max_size=8))
    def test_done_is_the_end_and_settling_leads_only_there(self, start: Status, kinds: list[type[Event]]) -> None:
        order = order_of(1, Quote("maker", MARKET.yes, Side.BUY, Price(5_000), Size(100 * SHARE)), start)
        order.matched = Size(30 * SHARE)
        for kind in kinds:
            before = order.status
            events: dict[type[Event], Event] = {
                OrderAccepted: OrderAccepted(at(1), 1),
                OrderRejected: OrderRejected(at(1), 1, "no"),
                OrderCancelled: OrderCancelled(at(1), 1, Size(30 * SHARE)),
                OrderUncertain: OrderUncertain(at(1), 1, "silence"),
                OrderFilled: OrderFilled(at(1), 1, "t", Price(5_000), Size(10 * SHARE), Cash(0)),
            }
            known = move(order, events[kind])
            assert known is (kind in NEXT[before])
            if before is Status.DONE:
                assert order.status is Status.DONE
            if before is Status.SETTLING:
                assert order.status in (Status.SETTLING, Status.DONE)
