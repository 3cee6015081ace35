"""An order's life: the table, the three rules beside it, and every interleaving of what a venue may say."""

from itertools import permutations, product

import pytest

from pmm_tui.core.events import Event, OrderAccepted, OrderCancelled, OrderFilled, OrderRejected, OrderUncertain
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.life import LIVE, NEXT, Order, Status, move
from pmm_tui.core.units import SHARE, Nanos, Price, Size

T = Nanos(1)


def order(status: Status = Status.SENT, size: int = 10) -> Order:
    return Order(
        id=1,
        market="m",
        token="y",
        side=Side.BUY,
        price=Price(5_000),
        size=Size(size * SHARE),
        kind=Kind.POST_ONLY,
        strategy="maker",
        level=0,
        sent_at=T,
        status=status,
    )


def fill(shares: int, trade: str = "t") -> OrderFilled:
    return OrderFilled(T, 1, trade, Price(5_000), Size(shares * SHARE))


def cancelled(matched: int) -> OrderCancelled:
    return OrderCancelled(T, 1, Size(matched * SHARE))


@pytest.mark.parametrize(("status", "kind", "after"), [(s, k, a) for s, row in NEXT.items() for k, a in row.items()])
def test_the_table_is_obeyed(status: Status, kind: type[Event], after: Status) -> None:
    facts: dict[type[Event], Event] = {
        OrderAccepted: OrderAccepted(T, 1),
        OrderRejected: OrderRejected(T, 1, "no"),
        OrderCancelled: cancelled(0),
        OrderFilled: fill(1),
        OrderUncertain: OrderUncertain(T, 1, "silence"),
    }
    subject = order(status)
    subject.matched = Size(5 * SHARE)
    assert move(subject, facts[kind])
    assert subject.status is after


def test_nothing_leaves_done() -> None:
    for fact in (OrderAccepted(T, 1), OrderRejected(T, 1, "no"), cancelled(3), OrderUncertain(T, 1, "?"), fill(1)):
        subject = order(Status.DONE)
        assert not move(subject, fact)
        assert subject.status is Status.DONE
        assert subject.rest == 0


def test_a_fill_overtakes_the_acceptance() -> None:
    subject = order()
    move(subject, fill(4))
    assert (subject.status, subject.filled) == (Status.OPEN, 4 * SHARE)
    move(subject, OrderAccepted(T, 1, "0xabc"))
    assert (subject.status, subject.venue_id, subject.rest) == (Status.OPEN, "0xabc", 6 * SHARE)


def test_a_cancelling_order_can_still_fill() -> None:
    subject = order(Status.CANCELLING)
    move(subject, fill(10))
    assert subject.status is Status.DONE


def test_a_cancel_that_overtakes_the_last_fill_holds_its_room() -> None:
    subject = order(Status.CANCELLING)
    move(subject, fill(2))
    move(subject, cancelled(5))
    assert (subject.status, subject.rest) == (Status.SETTLING, 3 * SHARE)
    move(subject, fill(3, "u"))
    assert (subject.status, subject.rest) == (Status.DONE, 0)


def test_an_uncertain_order_keeps_its_room_until_the_venue_says() -> None:
    subject = order()
    move(subject, OrderUncertain(T, 1, "timeout"))
    assert subject.status in LIVE
    assert subject.rest == 10 * SHARE


def test_the_venue_may_resize() -> None:
    subject = order()
    move(subject, OrderAccepted(T, 1, size=Size(4 * SHARE)))
    assert subject.rest == 4 * SHARE
    move(subject, fill(4))
    assert subject.status is Status.DONE


@pytest.mark.fault("F33")
def test_every_interleaving_ends_with_every_fill_counted() -> None:
    """Acceptance, two fills and a cancel that knows of both, in every order, doubted at every step: DONE, five filled, nothing owed."""
    facts: list[Event] = [OrderAccepted(T, 1), fill(2, "a"), fill(3, "b"), cancelled(5)]
    tried = 0
    for sequence, doubts in product(permutations(facts), range(5)):
        subject = order()
        for index, fact in enumerate(sequence):
            if index == doubts:
                move(subject, OrderUncertain(T, 1, "?"))
            before = subject.status
            move(subject, fact)
            assert not (before is Status.DONE and subject.status is not Status.DONE)
            assert subject.rest >= 0
        assert (subject.status, subject.filled) == (Status.DONE, 5 * SHARE)
        tried += 1
    assert tried == 120
