"""The paper exchange: two clocks, admission, and the questions asked of it later."""

import pytest
from msgspec import structs

from pmm_tui.core.commands import Alert, Cancel, CancelAll, Place, Sync, Watch
from pmm_tui.core.events import (
    AccountSeen,
    BookChanged,
    BookReset,
    FillSettled,
    MarketClosed,
    MarketListed,
    MarketResolved,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSeen,
    Ticked,
    TickSizeChanged,
    Traded,
)
from pmm_tui.core.market import Kind
from pmm_tui.core.units import MILLI, Price, Size, cash_of
from pmm_tui.venues.paper.matching import NEVER, Matching
from pmm_tui.venues.paper.register import KEPT_MOST, KEPT_NS
from tests.venues.scene import BUY, MARKET, START, Scene, at, knobs, sh


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.book(10, "48x100", "52x100")
    return made


def rejects(scene: Scene, ms: float = 10_000) -> list[str]:
    return [event.code for event in scene.only(ms, OrderRejected)]


class TestTwoClocks:
    def test_an_acceptance_takes_the_way_there_and_back(self, scene: Scene) -> None:
        assert scene.matching.due() == NEVER
        scene.place(1_000, BUY, 50, 10)
        assert scene.matching.due() == at(1_130)
        assert scene.until(1_129) == []
        assert scene.until(1_130) == [OrderAccepted(at(1_130), 1, "paper-1")]
        assert scene.matching.due() == NEVER

    def test_an_order_meets_the_book_of_its_arrival(self, scene: Scene) -> None:
        """Arrives at 1,100 exchange time; the ask that came to 50 at 1,099 is seen by the desk only at 1,129."""
        scene.place(1_000, BUY, 50, 10)
        scene.book(1_129, "48x100", "50x5 52x100")
        assert rejects(scene) == ["post_only"]

    def test_the_same_instant_goes_to_the_order(self, scene: Scene) -> None:
        scene.place(1_000, BUY, 50, 10)
        scene.book(1_130, "48x100", "50x5 52x100")
        answers = scene.until(10_000)
        assert isinstance(answers[0], OrderAccepted) and isinstance(answers[1], OrderFilled)
        assert answers[1].at == at(1_130)

    def test_a_cancel_can_be_too_late(self, scene: Scene) -> None:
        scene.place(0, BUY, 50, 10)
        scene.until(500)
        scene.send(1_000, Cancel(1))
        scene.book(1_075, "48x100", "50x4 52x100")  # at the exchange 1,045; the cancel arrives at 1,050
        answers = [event for event in scene.until(1_500) if not isinstance(event, FillSettled)]
        assert [type(event) for event in answers] == [OrderFilled, OrderCancelled]
        assert answers[1] == OrderCancelled(at(1_080), 1, sh(4), "")

    def test_a_cancel_in_time_wins(self, scene: Scene) -> None:
        scene.place(0, BUY, 50, 10)
        scene.until(500)
        scene.send(1_000, Cancel(1))
        scene.book(1_085, "48x100", "50x4 52x100")
        assert [type(event) for event in scene.until(9_000)] == [OrderCancelled]

    def test_no_answer_before_its_cause(self) -> None:
        scene = Scene(knobs(answer_latency_ms=0.0, feed_latency_ms=80.0))
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 50, 10)
        assert scene.until(199) == []
        assert [type(event) for event in scene.until(200)] == [OrderAccepted]
        scene.book(500, "48x100", "50x10")
        (filled,) = scene.only(500, OrderFilled)
        assert filled.at == at(500)

    def test_answers_come_in_time_order_with_their_due_times(self, scene: Scene) -> None:
        for ms in (0, 5, 7):
            scene.place(ms, BUY, 49, 10)
        scene.send(60, Cancel(1))
        answers = scene.until(10_000)
        assert [event.at for event in answers] == sorted(event.at for event in answers)
        assert [(event.at - START) // MILLI for event in answers] == [130, 135, 137, 140]

    def test_a_late_observer_does_not_turn_the_clock_back(self, scene: Scene) -> None:
        scene.place(1_000, BUY, 50, 10)
        scene.until(2_000)
        scene.book(900, "48x100", "50x10")
        (filled,) = scene.only(5_000, OrderFilled)
        assert filled.at >= at(1_130)

    def test_what_is_not_for_an_exchange_is_ignored(self, scene: Scene) -> None:
        scene.send(0, Watch("m"))
        scene.send(0, Alert("info", "k", "t"))
        scene.matching.observe(Ticked(at(100)))
        assert scene.matching.due() == NEVER

    def test_facts_of_markets_not_listed_change_nothing(self, scene: Scene) -> None:
        for fact in (
            BookReset(at(20), "x", at(20), (), ()),
            BookChanged(at(20), "x", at(20), ((BUY, Price(4_900), sh(1)),)),
            Traded(at(20), "x", at(20), Price(4_900), sh(1), BUY),
            TickSizeChanged(at(20), "x", at(20), Price(10)),
            MarketClosed(at(20), "x"),
            MarketResolved(at(20), "x", Price(0)),
        ):
            scene.matching.observe(fact)
        assert scene.matching.due() == NEVER
        assert scene.matching.cash == cash_of("500")


class TestAdmission:
    def refusal(self, scene: Scene, command: Place) -> tuple[str, str]:
        scene.send(2_000, command)
        (event,) = scene.only(3_000, OrderRejected)
        assert not scene.matching.resting()
        return event.code, event.reason

    @pytest.mark.parametrize(
        ("price", "size", "code"),
        [
            (5_050, sh(10), "tick"),
            (0, sh(10), "tick"),
            (10_000, sh(10), "tick"),
            (-100, sh(10), "tick"),
            (5_000, sh(4.99), "size"),
            (5_000, sh(10.001), "size"),
            (5_000, 0, "size"),
            (5_200, sh(10), "post_only"),
            (5_300, sh(10), "post_only"),
            (5_000, sh(1_000.01), "balance"),
        ],
    )
    def test_refused(self, scene: Scene, price: int, size: int, code: str) -> None:
        assert self.refusal(scene, Place(1, "m", "YES", BUY, Price(price), Size(size)))[0] == code

    def test_a_no_bid_crosses_the_yes_bid(self, scene: Scene) -> None:
        code, reason = self.refusal(scene, Place(1, "m", "NO", BUY, Price(5_200), sh(10)))
        assert (code, reason) == ("post_only", "invalid post-only order: order crosses book")

    def test_our_own_orders_are_in_the_real_book_too(self, scene: Scene) -> None:
        scene.place(0, BUY, 50, 10)
        scene.until(500)
        scene.place(500, BUY, 50, 10, outcome="NO")
        assert rejects(scene) == ["post_only"]

    def test_unknown_markets_tokens_and_closed_ones(self, scene: Scene) -> None:
        assert self.refusal(scene, Place(1, "x", "YES", BUY, Price(5_000), sh(10)))[0] == "other"
        assert self.refusal(scene, Place(2, "m", "MAYBE", BUY, Price(5_000), sh(10)))[0] == "other"
        scene.matching.observe(MarketClosed(at(1_000), "m"))
        assert self.refusal(scene, Place(3, "m", "YES", BUY, Price(5_000), sh(10)))[0] == "closed"
        scene.matching.observe(MarketResolved(at(1_100), "m", Price(0)))
        assert self.refusal(scene, Place(4, "m", "YES", BUY, Price(5_000), sh(10)))[0] == "closed"
        scene.matching.observe(MarketListed(at(1_200), MARKET))
        assert self.refusal(scene, Place(5, "m", "YES", BUY, Price(5_000), sh(10)))[0] == "closed"

    def test_resting_buys_hold_their_cost(self, scene: Scene) -> None:
        scene.place(0, BUY, 40, 1_000)
        scene.place(1, BUY, 20, 500, outcome="NO")
        scene.place(2, BUY, 10, 10)
        assert rejects(scene, 1_000) == ["balance"]
        assert scene.matching.account.free == 0
        scene.send(1_000, Cancel(2))
        scene.until(2_000)
        scene.place(2_000, BUY, 10, 1_000)
        assert rejects(scene) == []
        assert scene.matching.cash == cash_of("500")

    def test_charges_are_held_too(self) -> None:
        scene = Scene(knobs("coin", maker_fee_bps=30.0, adverse_selection_bps=10.0, fill_probability=1.0, partial_fill_probability=0.0))
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 50, 1_000)
        assert rejects(scene, 1_000) == ["balance"]
        scene.place(1_000, BUY, 50, 996)
        scene.until(2_000)
        scene.book(2_100, "48x100", "50x5000")
        (filled,) = scene.only(5_000, OrderFilled)
        assert (filled.fee, filled.adverse) == (1_494_000, 498_000)
        assert scene.matching.cash == 500_000_000 - 498_000_000 - 1_494_000 - 498_000

    def test_position_limit(self) -> None:
        scene = Scene(knobs(venue_position_shares_max=100.0))
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 50, 60)
        scene.place(21, BUY, 49, 41)
        scene.place(22, BUY, 49, 40)
        scene.place(23, BUY, 40, 100, outcome="NO")
        assert rejects(scene) == ["limit"]
        assert len(scene.matching.resting()) == 3

    def test_a_market_listed_again_has_its_new_terms(self, scene: Scene) -> None:
        scene.place(0, BUY, 49, 10)
        scene.until(500)
        scene.matching.observe(MarketListed(at(600), structs.replace(MARKET, min_size=sh(20))))
        scene.place(700, BUY, 49, 10)
        assert rejects(scene) == ["size"]
        assert len(scene.matching.resting()) == 1

    def test_a_new_tick_cancels_what_is_off_it(self) -> None:
        scene = Scene()
        scene.book(10, "48x100", "52x100", tick=Price(10))
        assert scene.place(20, BUY, 49.9, 10) == 1
        assert scene.place(20, BUY, 49, 10) == 2
        scene.until(500)
        scene.matching.observe(TickSizeChanged(at(600), "m", at(600), Price(100)))
        assert scene.until(5_000) == [OrderCancelled(at(600), 1, sh(0), "off the new tick size")]
        scene.place(5_000, BUY, 49.9, 10)
        assert rejects(scene) == ["tick"]

    def test_a_book_can_bring_the_tick_too(self) -> None:
        scene = Scene()
        scene.book(10, "48x100", "52x100", tick=Price(10))
        scene.place(20, BUY, 49.9, 10)
        scene.until(500)
        scene.book(600, "48x100", "52x100", tick=Price(100))
        assert [event.reason for event in scene.only(5_000, OrderCancelled)] == ["off the new tick size"]


class TestQuestions:
    def test_the_same_order_twice_is_one_order(self, scene: Scene) -> None:
        for ms in (20, 30):
            scene.send(ms, Place(1, "m", "YES", BUY, Price(4_900), sh(10)))
        assert len(scene.until(1_000)) == len(scene.matching.resting()) == 1

    def test_a_refused_order_stays_refused(self, scene: Scene) -> None:
        refused = Place(1, "m", "YES", BUY, Price(5_200), sh(10))
        scene.send(20, refused)
        scene.book(500, "48x100", "55x100")
        scene.send(600, refused)
        assert [type(event) for event in scene.until(2_000)] == [OrderRejected]

    def test_cancels_of_finished_and_unknown_orders(self, scene: Scene) -> None:
        scene.place(20, BUY, 50, 10)
        scene.place(20, BUY, 52, 10)
        scene.until(300)
        scene.book(400, "48x100", "50x10")
        scene.until(5_000)
        for order in (1, 2, 77):
            scene.send(5_000, Cancel(order))
        assert scene.until(6_000) == [OrderCancelled(at(5_080), 1, sh(10), "already done")]

    def test_cancel_all(self, scene: Scene) -> None:
        for cents in (47, 48, 49):
            scene.place(20, BUY, cents, 10)
        scene.until(300)
        scene.send(300, CancelAll())
        assert [(e.order, e.reason) for e in scene.only(1_000, OrderCancelled)] == [(n, "cancel all") for n in (1, 2, 3)]
        assert scene.matching.account.free == 500_000_000

    def test_a_placement_under_way_survives_cancel_all(self, scene: Scene) -> None:
        scene.place(20, BUY, 49, 10)
        scene.send(21, CancelAll())
        scene.until(1_000)
        assert len(scene.matching.resting()) == 1

    def test_the_account(self, scene: Scene) -> None:
        scene.place(20, BUY, 50, 30)
        scene.place(20, BUY, 52, 10)
        scene.place(20, BUY, 49, 10)
        scene.until(300)
        scene.book(400, "48x100", "50x10 52x100")
        (filled,) = scene.only(1_000, OrderFilled)
        scene.send(1_000, Cancel(3))
        scene.send(1_100, Sync((1, 2, 3, 77)))
        answers = [event for event in scene.until(1_999) if not isinstance(event, OrderCancelled)]
        assert answers[0] == OrderFilled(at(1_230), 1, filled.trade, filled.price, filled.size, filled.fee, True, filled.adverse)
        assert answers[1:] == [
            AccountSeen(
                at(1_230),
                cash_of("495"),
                (("YES", sh(10)),),
                (
                    OrderSeen(1, "open", sh(10)),
                    OrderSeen(2, "absent", sh(0)),
                    OrderSeen(3, "done", sh(0)),
                    OrderSeen(77, "absent", sh(0)),
                ),
            )
        ]

    def test_the_account_tells_settlements_again(self, scene: Scene) -> None:
        scene.book(100, "48x100", "50x10")
        scene.place(200, BUY, 50, 10, kind=Kind.IOC)
        scene.until(5_000)
        scene.send(5_000, Sync((1,)))
        assert [type(event) for event in scene.until(6_000)] == [OrderFilled, FillSettled, AccountSeen]

    def test_an_absent_order_is_not_one_on_its_way(self, scene: Scene) -> None:
        """A question sent after an order arrives after it."""
        scene.place(1_000, BUY, 49, 10)
        scene.send(1_000, Sync((1,)))
        (seen,) = scene.only(2_000, AccountSeen)
        assert seen.orders == (OrderSeen(1, "open", sh(0)),)

    def test_of_very_many_orders_the_newest_are_remembered_and_those_that_are_open(self, scene: Scene) -> None:
        scene.place(20, BUY, 40, 10)
        for count in range(KEPT_MOST + 50):
            scene.send(100 + count, Place(count + 2, "m", "YES", BUY, Price(4_550), sh(10)))
        scene.until(60_000)
        register = scene.matching._orders
        assert 1 in register and 51 not in register and 52 in register and KEPT_MOST + 51 in register

    def test_memory_is_flat_but_open_orders_are_kept(self, scene: Scene) -> None:
        def off_the_grid(order: int, ms: int) -> None:
            scene.send(ms, Place(order, "m", "YES", BUY, Price(4_550), sh(10)))

        kept_ms = KEPT_NS // 1_000_000
        scene.place(20, BUY, 40, 10)
        scene.place(30, BUY, 41, 10)
        off_the_grid(3, 40)
        scene.send(5_000, Cancel(2))
        register = scene.matching._orders
        off_the_grid(4, kept_ms - 1_000)
        scene.until(kept_ms)
        assert all(order in register for order in (1, 2, 3, 4))
        off_the_grid(5, kept_ms + 10_000)
        scene.until(kept_ms + 60_000)
        assert [order in register for order in (1, 2, 3, 4, 5)] == [True, False, False, True, True]
        scene.send(kept_ms + 60_000, Sync((1, 2, 3)))
        (seen,) = scene.only(kept_ms + 70_000, AccountSeen)
        assert [order.status for order in seen.orders] == ["open", "absent", "absent"]


def test_the_default_wallet_is_500_dollars() -> None:
    assert Matching(knobs(), 1).cash == cash_of("500")
