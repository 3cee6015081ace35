"""Troubles on the road: each does what it says, none touches the books underneath, and the account tells the truth in the end."""

import pytest

from pmm_tui.core.commands import Cancel, Place, Sync
from pmm_tui.core.events import (
    AccountSeen,
    BookChanged,
    Event,
    FillSettled,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderUncertain,
    Ticked,
)
from pmm_tui.core.units import Price
from pmm_tui.venues.paper.matching import NEVER, Matching
from pmm_tui.venues.paper.trouble import NoisyLine, Troubled, TroubleKnobs
from tests.venues.scene import BUY, Scene, at, knobs, sh


def scene(seed: int = 1, **more: float) -> Scene:
    rules = knobs(settlement_failure_probability=more.pop("failures", 0.0))
    made = Scene(matching=Troubled(rules, seed, TroubleKnobs(**more)))
    made.book(10, "48x100", "52x100")
    return made


def walk(made: Scene) -> list[Event]:
    """Orders, a fill, a cancel and the account, and everything told by the end."""
    for cents in (47, 48, 49, 50):
        made.place(20, BUY, cents, 20)
    told = made.until(300)
    made.book(400, "48x100", "50x10")
    made.send(420, Cancel(4))
    told += made.until(3_000)
    made.send(3_000, Sync((1, 2, 3, 4)))
    return told + made.until(60_000)


def truth(matching: Matching) -> tuple[int, dict[str, int], list[int]]:
    return matching.cash, dict(matching.positions), sorted(order.id for order in matching.resting())


class TestNone:
    def test_without_trouble_it_is_the_exchange_itself(self) -> None:
        plain = Scene(knobs())
        plain.book(10, "48x100", "52x100")
        troubled = scene()
        assert walk(plain) == walk(troubled)
        assert isinstance(troubled.matching, Troubled) and troubled.matching.troubles == 0
        assert troubled.matching.due() == NEVER

    def test_the_same_seed_gives_the_same_troubles(self) -> None:
        some = {"trouble_drop": 0.3, "trouble_delay": 0.5, "trouble_duplicate": 0.3, "trouble_reject": 0.2}
        assert walk(scene(4, **some)) == walk(scene(4, **some))
        assert walk(scene(4, **some)) != walk(scene(5, **some))


class TestOrders:
    def test_a_refused_order_never_was(self) -> None:
        made = scene(trouble_reject=1.0)
        told = walk(made)
        assert [e.order for e in told if isinstance(e, OrderRejected)] == [1, 2, 3, 4]
        (seen,) = [e for e in told if isinstance(e, AccountSeen)]
        assert {order.status for order in seen.orders} == {"absent"}
        assert truth(made.matching) == (500_000_000, {}, [])

    def test_a_lost_order_is_uncertain_and_absent(self) -> None:
        made = scene(trouble_timeout_lost=1.0)
        told = walk(made)
        uncertain = [e for e in told if isinstance(e, OrderUncertain)]
        assert [(e.order, e.at) for e in uncertain] == [(n, at(2_020)) for n in (1, 2, 3, 4)]
        (seen,) = [e for e in told if isinstance(e, AccountSeen)]
        assert {order.status for order in seen.orders} == {"absent"}

    def test_a_booked_order_in_silence_still_fills(self) -> None:
        made = scene(trouble_timeout_booked=1.0)
        told = walk(made)
        assert not [e for e in told if isinstance(e, OrderAccepted)]
        assert len([e for e in told if isinstance(e, OrderUncertain)]) == 4
        assert next(e.order for e in told if isinstance(e, OrderFilled)) == 4
        (seen,) = [e for e in told if isinstance(e, AccountSeen)]
        assert [order.status for order in seen.orders] == ["open", "open", "open", "done"]

    def test_a_timeout_is_never_before_the_answer_could_have_come(self) -> None:
        made = scene(trouble_timeout_lost=1.0, trouble_timeout_ms=0.0)
        made.place(20, BUY, 49, 10)
        assert made.matching.due() == at(150)
        assert [type(e) for e in made.until(150)] == [OrderUncertain]

    def test_a_refusal_in_silence_is_absent(self) -> None:
        made = scene(trouble_timeout_booked=1.0)
        made.place(20, BUY, 52, 10)
        assert [type(e) for e in made.until(5_000)] == [OrderUncertain]
        made.send(5_000, Sync((1,)))
        (seen,) = made.only(6_000, AccountSeen)
        assert seen.orders[0].status == "absent"

    def test_a_lost_cancel_changes_nothing_and_orders_are_not_lost_by_it(self) -> None:
        made = scene(trouble_command_lost=1.0)
        made.place(20, BUY, 47, 20)
        made.send(200, Cancel(1))
        made.send(200, Sync((1,)))
        assert [type(e) for e in made.until(60_000)] == [OrderAccepted]
        assert truth(made.matching)[2] == [1]


class TestAnswers:
    def test_all_lost_but_settlements_which_are_late(self) -> None:
        made = scene(trouble_drop=1.0)
        told = walk(made)
        assert [type(e) for e in told] == [FillSettled]
        assert told[0].at == at(400 + 2_000 + 5_000)
        assert truth(made.matching) == (495_000_000, {"YES": sh(10)}, [1, 2, 3])

    def test_every_answer_twice(self) -> None:
        plain = walk(scene())
        told = walk(scene(trouble_duplicate=1.0))
        assert len(told) == 2 * len(plain)
        assert {type(e) for e in told} == {type(e) for e in plain}

    def test_a_fill_can_overtake_its_acceptance_and_a_cancel_the_last_fill(self) -> None:
        seen = set()
        for seed in range(60):
            made = scene(seed, trouble_delay=0.5)
            told = [type(e) for e in walk(made) if not isinstance(e, FillSettled | AccountSeen) and getattr(e, "order", 0) == 4]
            seen.add(tuple(told[:3]))
        assert (OrderFilled, OrderAccepted, OrderCancelled) in seen
        assert (OrderAccepted, OrderCancelled, OrderFilled) in seen
        assert (OrderAccepted, OrderFilled, OrderCancelled) in seen

    def test_times_never_go_back(self) -> None:
        for seed in range(20):
            told = walk(scene(seed, trouble_delay=0.5, trouble_duplicate=0.5))
            assert [e.at for e in told] == sorted(e.at for e in told)

    def test_an_account_comes_whole_or_not_at_all(self) -> None:
        accounts = 0
        for seed in range(30):
            told = walk(scene(seed, trouble_drop=0.5, trouble_delay=0.5, trouble_duplicate=0.3))
            for place, event in enumerate(told):
                if isinstance(event, AccountSeen):
                    accounts += 1
                    assert [type(e) for e in told[place - 2 : place]] == [OrderFilled, FillSettled]
                    assert {e.at for e in told[place - 2 : place]} == {event.at}
        assert 5 < accounts < 40

    def test_the_books_underneath_are_those_of_a_quiet_road(self) -> None:
        quiet = scene()
        walk(quiet)
        for seed in range(20):
            made = scene(seed, trouble_drop=0.4, trouble_delay=0.4, trouble_duplicate=0.4, trouble_timeout_booked=0.3)
            walk(made)
            assert truth(made.matching) == truth(quiet.matching)


class TestSettlements:
    @pytest.mark.parametrize("seed", range(5))
    def test_failures_follow_their_probability_and_leave_no_trace(self, seed: int) -> None:
        made = scene(seed, failures=0.5)
        for n in range(20):
            made.place(1_000 * n + 1_000, BUY, 50, 10)
            made.book(1_000 * n + 1_500, "48x100", "50x10")
            made.book(1_000 * n + 1_600, "48x100", "52x10")
        ends = [event.ok for event in made.only(100_000, FillSettled)]
        assert len(ends) == 20 and 2 <= sum(ends) <= 18
        assert made.matching.cash == 500_000_000 - 5_000_000 * sum(ends)
        assert made.matching.positions == ({"YES": sh(10 * sum(ends))})


class TestNoisyLine:
    def frames(self, count: int = 200) -> list[Event]:
        return [BookChanged(at(n), "m", at(n), ((BUY, Price(4_900), sh(n + 1)),)) for n in range(count)]

    def hear(self, seed: int = 1, **more: float) -> list[Event]:
        line = NoisyLine(TroubleKnobs(**more), seed)
        return [heard for frame in self.frames() for heard in line.hear(frame)]

    def test_quiet(self) -> None:
        assert self.hear() == self.frames()

    def test_loss(self) -> None:
        heard = self.hear(trouble_frame_drop=0.25)
        assert 120 < len(heard) < 180 and set(heard) < set(self.frames())

    def test_repeats(self) -> None:
        heard = self.hear(trouble_frame_duplicate=0.25)
        assert 220 < len(heard) < 280 and set(heard) == set(self.frames())

    def test_swaps_lose_nothing_and_keep_time(self) -> None:
        heard = [e for e in self.hear(trouble_frame_reorder=0.25) if isinstance(e, BookChanged)]
        assert [e.at for e in heard] == sorted(e.at for e in heard)
        assert [e.ts for e in heard] != sorted(e.ts for e in heard)
        assert 199 <= len({e.ts for e in heard}) == len(heard)

    def test_other_facts_pass(self) -> None:
        line = NoisyLine(TroubleKnobs(trouble_frame_drop=1.0), 1)
        assert line.hear(Ticked(at(1))) == [Ticked(at(1))]
        assert line.hear(self.frames()[0]) == []


def test_a_command_that_is_no_order_goes_through() -> None:
    made = scene(trouble_reject=1.0, trouble_timeout_lost=1.0)
    made.send(20, Sync())
    assert [type(e) for e in made.until(1_000)] == [AccountSeen]
    made.send(1_000, Place(9, "m", "YES", BUY, Price(4_900), sh(10)))
    assert [type(e) for e in made.until(2_000)] == [OrderRejected]
