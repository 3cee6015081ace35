"""The venue against a CLOB that fails at random: once it is quiet, what was told is what is true, and nothing was asked for twice."""

from collections import Counter
from random import Random

import pytest

from pmm_tui.core.commands import Cancel, CancelAll, Sync
from pmm_tui.core.events import AccountSeen, Event, OrderCancelled, OrderFilled, OrderRejected
from pmm_tui.core.units import SHARE
from pmm_tui.venues.clob.port import Closed, Limited, Silent, Trouble
from tests.venues.clob_stand import Stand, opened, order, timeless
from tests.venues.scripted_clob import HANG
from tests.venues.venue_suite import of

TROUBLES: tuple[Trouble | str, ...] = (
    HANG, Silent("HTTP 500"), Silent("reset"), Silent("HTTP 502"), Limited("Too Many Requests", 1), Closed("restarting", "restarting", 2)
)  # fmt: skip
METHODS = ("post", "post", "post", "cancel", "cancel", "cancel_all", "cancel_market", "trades", "open_orders", "order", "cash", "beat")


async def disturb(stand: Stand, chance: Random) -> None:
    """One random trouble at the venue."""
    clob = stand.clob
    how = chance.random()
    resting = clob._live()
    if how < 0.3:
        trouble = chance.choice(TROUBLES)
        clob.fails(chance.choice(METHODS), trouble, done=not isinstance(trouble, Limited | Closed) and chance.random() < 0.5)
    elif how < 0.6 and resting:
        truth = clob.orders[chance.choice(resting)]
        rest = (truth.place.size - truth.matched) / SHARE
        piece = clob.fill(truth.place.order, rest if chance.random() < 0.5 else min(rest, 2.5), heard=chance.random() < 0.8)
        if chance.random() < 0.6:
            clob.settle(piece, chance.choice(["MINED", "CONFIRMED", "CONFIRMED", "FAILED"]), heard=chance.random() < 0.7)
    elif how < 0.65:
        clob.mute = not clob.mute
    elif how < 0.7 and resting:
        clob.orders[chance.choice(resting)].status = "CANCELED"
    elif how < 0.75:
        clob.blind = not clob.blind


def believed(told: list[Event]) -> tuple[dict[int, int], set[int]]:
    """The shares filled of each order, every (trade, order) once; and the orders that ended."""
    fills = {(e.trade, e.order): e.size for e in of(told, OrderFilled)}
    filled: Counter[int] = Counter()
    for (_, number), size in fills.items():
        filled[number] += size
    return dict(filled), {e.order for e in told if isinstance(e, OrderCancelled | OrderRejected)}


@timeless
@pytest.mark.parametrize("seed", range(100))
async def test_what_is_believed_is_true_once_it_is_quiet(seed: int) -> None:
    chance = Random(seed)
    stand = await opened(Stand())
    told: list[Event] = []
    number = 0
    for _ in range(60):
        for _ in range(chance.randrange(3)):
            number += 1
            await stand.venue.send(order(number, chance.choice([4_900, 4_800, 4_700]), chance.choice([5, 10])))
        if number and chance.random() < 0.4:
            await stand.venue.send(Cancel(chance.randint(max(1, number - 5), number)))
        if chance.random() < 0.05:
            await stand.venue.send(CancelAll())
        await disturb(stand, chance)
        told += await stand.after(chance.choice([0.01, 0.1, 0.7, 2]))
    clob = stand.clob
    clob.trips.clear()
    clob.mute = clob.blind = False
    told += await stand.after(60)
    await stand.venue.send(CancelAll())
    told += await stand.after(30)
    await stand.venue.send(Sync(tuple(range(1, number + 1))))
    told += await stand.after(5)
    filled, ended = believed(told)
    posted = Counter(signed.order for batch in clob.asked("post") for signed in batch)
    assert not clob._live() and max(posted.values(), default=0) <= 1
    truth = {one.place.order: one.matched for one in clob.orders.values()}
    assert filled == {order: matched for order, matched in truth.items() if matched}
    whole = {one.place.order for one in clob.orders.values() if one.matched >= one.place.size}
    assert ended | whole == set(range(1, number + 1))
    account = of(told, AccountSeen)[-1]
    assert account.cash == clob.cash_held and dict(account.positions) == {token: held for token, held in clob.held.items() if held}
    # What a venue forgot, and nothing traded of, cannot be told from what was never booked.
    said = {one.order: one.status for one in account.orders}
    assert said.keys() == set(range(1, number + 1)) and {n for n in said if said[n] == "done"} <= truth.keys()
    assert {n for n in said if said[n] == "absent"} <= said.keys() - filled.keys()
    assert {one.order: one.matched for one in account.orders if one.matched} == filled
    assert stand.venue.links.why() == "" and account.external == ()
    await stand.close()
