"""Each guard of the desk, taken out on purpose, is missed by the simulation: an invariant that cannot fail proves nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from pmm_tui.core import account, answers, apply, decide, engine, state
from pmm_tui.core.commands import Alert, Cancel, CancelAll, Command
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import AccountSeen, Event, OrderCancelled
from pmm_tui.core.market import Market
from pmm_tui.core.orders.life import Order, Status, move
from pmm_tui.core.orders.reconcile import Difference, reconcile
from pmm_tui.core.orders.room import Room, room_of
from pmm_tui.core.portfolio import Fill, Portfolio
from pmm_tui.core.quoting import shape
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.risk import review
from pmm_tui.core.state import State
from pmm_tui.record.simulate import run_seed

SEEDS = 150
Break = Callable[[pytest.MonkeyPatch], None]


def book_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Portfolio, "knows", lambda portfolio, event: False)


def keep_failed_fills(patch: pytest.MonkeyPatch) -> None:
    end = Portfolio._end

    def confirm(portfolio: Portfolio, fill: Fill, ok: bool) -> None:
        end(portfolio, fill, True)

    patch.setattr(Portfolio, "_end", confirm)


def place_beside_uncertain(patch: pytest.MonkeyPatch) -> None:
    def forgetful(quotes: list[Quote], live: list[Order], price: int, size: float) -> Difference:
        return reconcile(quotes, [order for order in live if order.status is not Status.UNCERTAIN], price, size)

    patch.setattr(decide, "reconcile", forgetful)


def cross_our_own(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "crosses_own", lambda *_: False)


def never_settle(patch: pytest.MonkeyPatch) -> None:

    def final(order: Order, event: Event) -> bool:
        if isinstance(event, OrderCancelled):
            event = structs.replace(event, matched=min(event.matched, order.filled))
        return move(order, event)

    patch.setattr(answers, "move", final)
    patch.setattr(account, "move", final)


def verify_kills_early(patch: pytest.MonkeyPatch) -> None:
    seen = account.account_seen

    def hasty(known: State, event: AccountSeen) -> None:
        seen(known, event)
        if known.kill.phase == "killing" and not any(order.status == "open" for order in event.orders):
            known.kill.phase, known.kill.verified_at = "killed", event.at

    kind: type[Event] = AccountSeen
    patch.setitem(apply.APPLY, kind, hasty)


def _patch_chase(patch: pytest.MonkeyPatch, then: Callable[[State], None]) -> None:
    chase = engine.chase

    def changed(known: State) -> None:
        chase(known)
        then(known)

    patch.setattr(engine, "chase", changed)


def call_silence_failure(patch: pytest.MonkeyPatch) -> None:
    def bury(known: State) -> None:
        for order in [order for order in known.live.values() if order.status is Status.UNCERTAIN]:
            order.status = Status.DONE
            answers.ended(known, known.markets[order.market], order)

    _patch_chase(patch, bury)


def cancel_once(patch: pytest.MonkeyPatch) -> None:
    def drop(known: State) -> None:
        known.out = [command for command in known.out if not isinstance(command, Cancel)]

    _patch_chase(patch, drop)


def kill_without_cancelling(patch: pytest.MonkeyPatch) -> None:
    trip = answers.trip

    def silent(known: State, why: str) -> None:
        trip(known, why)
        known.out = [command for command in known.out if not isinstance(command, CancelAll)]

    for room in (answers, apply, engine):
        patch.setattr(room, "trip", silent)


def _without(reviewer: review.Reviewer) -> Break:
    def broken(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(decide, "REVIEW", tuple(one for one in review.REVIEW if one is not reviewer))

    return broken


def ignore_room(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "no_room", lambda *_: "")


def ignore_capital(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "beyond_caps", lambda *_: False)


def leave_the_grid(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(shape, "floor_tick", lambda price, tick: price)


def uncount_cancelling(patch: pytest.MonkeyPatch) -> None:
    def short(market: Market, orders: Any) -> Room:
        return room_of(market, [order for order in orders if order.status is not Status.CANCELLING])

    patch.setattr(state, "room_of", short)


def forget_uncertain(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(account, "known_again", lambda *_: None)
    patch.setattr(answers, "known_again", lambda *_: None)


def answer_by_chance(patch: pytest.MonkeyPatch) -> None:
    step, number = Engine.step, iter(range(10**9))

    def counting(desk: Engine, event: Event) -> list[Command]:
        commands = step(desk, event)
        return [structs.replace(command, text=str(next(number))) if isinstance(command, Alert) else command for command in commands]

    patch.setattr(Engine, "step", counting)


GUARDS: dict[str, tuple[Break, str]] = {
    "a fill is booked once": (book_twice, "cash is what the facts say"),
    "a failed fill is undone": (keep_failed_fills, "cash is what the facts say"),
    "an uncertain order blocks its price": (place_beside_uncertain, "nothing is placed at an uncertain order's price"),
    "own orders do not cross": (cross_our_own, "own orders never cross"),
    "a cancel can overtake a fill": (never_settle, ""),
    "a kill is verified when all is proven gone": (verify_kills_early, "a verified kill: nothing rests at the venue"),
    "silence is no refusal": (call_silence_failure, "what rests at the venue is alive for the desk"),
    "a silent cancel is asked again": (cancel_once, ""),
    "a kill cancels all": (kill_without_cancelling, "a kill cancels all at once"),
    "guards hold quotes": (_without(review.guards), "nothing is quoted while a guard holds"),
    "a kill holds quotes": (_without(review.kill), "after a kill nothing is placed but the operator's flatten"),
    "the end of a market holds quotes": (_without(review.resolution), "quotes are pulled at once where they may not rest"),
    "room is asked for": (ignore_room, ""),
    "capital is capped": (ignore_capital, ""),
    "prices are on the grid": (leave_the_grid, "an order is on the grid"),
    "a cancelling order can still fill": (uncount_cancelling, "room is what the live orders may still do"),
    "an order that was uncertain is decided anew": (forget_uncertain, "quotes are pulled at once where they may not rest"),
    "a replay answers alike": (answer_by_chance, "a replay answers byte for byte"),
}
"""How each guard is taken out, and the invariant that says so ("": more than one may be first)."""


@pytest.mark.no_cover  # a desk with a guard taken out covers nothing
@pytest.mark.parametrize("name", GUARDS)
def test_the_simulation_misses_a_guard_that_is_taken_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, invariant = GUARDS[name]
    broken(monkeypatch)
    found = next((outcome.broken for outcome in map(run_seed, range(SEEDS)) if outcome.broken), "")
    assert found, f"{SEEDS} seeds, and nothing was found"
    assert found.startswith(invariant), found
