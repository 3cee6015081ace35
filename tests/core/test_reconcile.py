"""Wishes against orders: the fewest commands, no flicker, nothing beside an uncertain order."""

from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.life import Order, Status
from pmm_tui.core.orders.reconcile import Difference, crosses_own, reconcile
from pmm_tui.core.orders.room import room_of
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.units import SHARE, Nanos, Price, Size
from tests.core.desk import MARKET


def live(number: int, side: Side, cents: int, shares: int = 10, status: Status = Status.OPEN, token: str = "yes") -> Order:
    return Order(
        id=number,
        market=MARKET.id,
        token=token,
        side=side,
        price=Price(cents * 100),
        size=Size(shares * SHARE),
        kind=Kind.POST_ONLY,
        strategy="maker",
        level=0,
        sent_at=Nanos(1),
        status=status,
    )


def wish(side: Side, cents: int, shares: int = 10, held: str = "", token: str = "yes") -> Quote:
    return Quote("maker", token, side, Price(cents * 100), Size(shares * SHARE), held=held)


def ids(difference: Difference) -> list[int]:
    return [order.id for order in difference.cancel]


def test_what_rests_as_wished_is_left_alone() -> None:
    difference = reconcile([wish(Side.BUY, 48), wish(Side.SELL, 52)], [live(1, Side.BUY, 48), live(2, Side.SELL, 52)], 0, 0)
    assert (ids(difference), difference.place, difference.kept) == ([], (), 2)


def test_a_moved_price_is_one_cancel_and_one_place() -> None:
    difference = reconcile([wish(Side.BUY, 47)], [live(1, Side.BUY, 48)], 0, 0)
    assert (ids(difference), difference.place) == ([1], (wish(Side.BUY, 47),))


def test_a_move_within_the_tolerance_keeps_the_queue_place() -> None:
    difference = reconcile([wish(Side.BUY, 47)], [live(1, Side.BUY, 48)], 100, 0)
    assert (ids(difference), difference.place, difference.kept) == ([], (), 1)


def test_an_exact_price_wins_over_a_near_one() -> None:
    difference = reconcile([wish(Side.BUY, 48), wish(Side.BUY, 47)], [live(1, Side.BUY, 47), live(2, Side.BUY, 46)], 100, 0)
    assert (ids(difference), difference.place) == ([2], (wish(Side.BUY, 48),))


def test_a_partly_filled_order_serves_within_the_size_tolerance() -> None:
    order = live(1, Side.BUY, 48)
    order.filled = Size(2 * SHARE)
    assert reconcile([wish(Side.BUY, 48)], [order], 0, 25).kept == 1
    assert ids(reconcile([wish(Side.BUY, 48)], [order], 0, 10)) == [1]


def test_held_wishes_are_never_sent_and_their_orders_are_cancelled() -> None:
    difference = reconcile([wish(Side.BUY, 48, held="stale")], [live(1, Side.BUY, 48)], 0, 0)
    assert (ids(difference), difference.place) == ([1], ())


def test_orders_that_end_already_are_not_asked_twice() -> None:
    orders = [live(1, Side.BUY, 48, status=Status.CANCELLING), live(2, Side.BUY, 47, status=Status.SETTLING)]
    difference = reconcile([wish(Side.BUY, 48)], orders, 0, 0)
    assert (ids(difference), difference.place) == ([], (wish(Side.BUY, 48),))


def test_nothing_is_placed_where_an_uncertain_order_may_rest() -> None:
    difference = reconcile([wish(Side.BUY, 48), wish(Side.SELL, 52)], [live(1, Side.BUY, 48, status=Status.UNCERTAIN)], 0, 0)
    assert (ids(difference), difference.place) == ([], (wish(Side.SELL, 52),))


def test_another_kind_is_another_order() -> None:
    taker = Quote("flatten", "yes", Side.SELL, Price(5_200), Size(10 * SHARE), kind=Kind.IOC)
    assert ids(reconcile([taker], [live(1, Side.SELL, 52)], 100, 50)) == [1]


def test_our_own_bids_on_both_tokens_may_not_meet() -> None:
    resting = [live(1, Side.BUY, 45, token="no")]
    assert crosses_own(wish(Side.BUY, 55), resting, "yes")
    assert not crosses_own(wish(Side.BUY, 54), resting, "yes")
    assert crosses_own(wish(Side.SELL, 48), [live(2, Side.BUY, 48)], "yes")
    assert not crosses_own(wish(Side.SELL, 49), [live(2, Side.BUY, 48)], "yes")


def test_room_counts_every_order_at_its_worst() -> None:
    orders = [
        live(1, Side.BUY, 48),
        live(2, Side.SELL, 52, 4),
        live(3, Side.BUY, 40, 5, token="no", status=Status.UNCERTAIN),
        live(4, Side.SELL, 60, 3, token="no", status=Status.CANCELLING),
        live(5, Side.BUY, 48, status=Status.DONE),
    ]
    room = room_of(MARKET, orders)
    assert (room.up, room.down) == (13 * SHARE, 9 * SHARE)
    assert (room.selling_yes, room.selling_no, room.orders) == (4 * SHARE, 3 * SHARE, 4)
    assert room.reserved == 4_800_000 + 2_000_000
