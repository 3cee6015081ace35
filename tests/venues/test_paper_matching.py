"""The paper exchange: two clocks, admission, exact money, lifecycle, questions."""

import pytest

from pmm_tui.core.commands import Alert, Cancel, CancelAll, Command, Place, Sync, Watch
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
from pmm_tui.core.fees import taker_fee
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import MILLI, Cash, Price, Size, cash_of
from pmm_tui.venues.paper.chance import Chance
from pmm_tui.venues.paper.matching import NEVER, Matching
from pmm_tui.venues.paper.register import REMEMBERED
from tests.venues.scene import BUY, MARKET, SELL, START, Scene, at, knobs, sh


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
        scene.place(500, BUY, 50, 10, token="NO")
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
        scene.place(1, BUY, 20, 500, token="NO")
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
        scene.place(23, BUY, 40, 100, token="NO")
        assert rejects(scene) == ["limit"]
        assert len(scene.matching.resting()) == 3

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


class TestSelling:
    def test_naked(self, scene: Scene) -> None:
        scene.place(100, SELL, 53, 10)
        assert rejects(scene) == ["balance"]

    def test_partly_covered_is_resized(self, scene: Scene) -> None:
        scene.give(1_000, "YES", 20)
        scene.book(20_000, "48x100", "52x100")
        scene.place(20_100, SELL, 53, 50)
        (accepted,) = scene.only(21_000, OrderAccepted)
        assert accepted.size == sh(20)
        assert scene.matching.resting()[0].size == sh(20)

    def test_other_resting_sells_count(self, scene: Scene) -> None:
        scene.give(1_000, "YES", 20)
        scene.book(20_000, "48x100", "52x100")
        for ms, size in ((20_100, 12), (20_200, 12), (20_300, 5)):
            scene.place(ms, SELL, 53, size)
        assert [event.size for event in scene.only(20_400, OrderAccepted)] == [0, sh(8)]
        assert rejects(scene, 21_000) == ["balance"]

    def test_what_is_left_below_the_minimum_is_refused_but_can_be_taken_out(self, scene: Scene) -> None:
        scene.give(1_000, "YES", 7)
        scene.book(20_000, "48x100", "52x100")
        scene.place(20_100, SELL, 53, 5)
        scene.until(20_500)
        scene.place(20_500, SELL, 53, 5)
        assert rejects(scene, 21_000) == ["balance"]
        scene.place(21_000, SELL, 48, 5, kind=Kind.FOK)
        assert rejects(scene, 22_000) == ["balance"]
        scene.place(22_000, SELL, 48, 5, kind=Kind.IOC)
        assert [event.size for event in scene.only(23_000, OrderFilled)] == [sh(2)]

    def test_only_settled_shares_may_be_sold(self, scene: Scene) -> None:
        scene.book(100, "48x100", "50x100")
        scene.place(200, BUY, 50, 20, kind=Kind.IOC)
        scene.until(400)
        assert scene.matching.positions == {"YES": sh(20)}
        scene.place(400, SELL, 53, 20)
        assert rejects(scene, 600) == ["balance"]
        (settled,) = scene.only(2_330, FillSettled)
        assert (settled.ok, settled.at) == (True, at(2_330))
        scene.place(2_400, SELL, 53, 20)
        assert rejects(scene, 3_000) == []

    def test_proceeds_can_be_spent_once_settled(self) -> None:
        scene = Scene(cash=Cash(20_000_000))
        scene.give(1_000, "YES", 38)
        spent = scene.matching.cash
        scene.book(20_000, "48x100", "52x100")
        scene.place(20_100, SELL, 48, 38, kind=Kind.IOC)
        scene.until(20_300)
        assert scene.matching.cash > spent + cash_of("17")
        scene.place(20_300, BUY, 30, 50)
        assert rejects(scene, 21_000) == ["balance"]
        scene.place(23_000, BUY, 30, 50)
        assert rejects(scene, 24_000) == []


class TestTaking:
    def test_level_by_level_with_the_venues_fee(self, scene: Scene) -> None:
        scene.book(100, "48x100", "50x10 51x10 53x100")
        scene.place(200, BUY, 52, 30, kind=Kind.IOC)
        answers = scene.until(400)
        fills = [event for event in answers if isinstance(event, OrderFilled)]
        assert [(f.price, f.size, f.maker) for f in fills] == [(5_000, sh(10), False), (5_100, sh(10), False)]
        assert [f.fee for f in fills] == [taker_fee(MARKET.fees, f.price, f.size) for f in fills]
        assert isinstance(answers[-1], OrderCancelled) and answers[-1].matched == sh(20)
        assert scene.matching.cash == 500_000_000 - 5_000_000 - 5_100_000 - sum(f.fee for f in fills)

    def test_what_we_took_is_not_there_twice(self, scene: Scene) -> None:
        scene.book(100, "48x100", "50x10 53x100")
        scene.place(200, BUY, 50, 8, kind=Kind.IOC)
        scene.place(300, BUY, 50, 8, kind=Kind.IOC)
        scene.place(400, BUY, 50, 8, kind=Kind.IOC)
        answers = scene.until(1_000)
        assert [event.size for event in answers if isinstance(event, OrderFilled)] == [sh(8), sh(2)]
        assert [event.code for event in answers if isinstance(event, OrderRejected)] == ["other"]
        scene.change(1_100, SELL, 50, 15)
        scene.place(1_200, BUY, 50, 8, kind=Kind.IOC)
        assert [event.size for event in scene.only(2_000, OrderFilled)] == [sh(5)]

    def test_all_or_nothing(self, scene: Scene) -> None:
        scene.book(100, "48x100", "50x10 51x10")
        scene.place(200, BUY, 51, 21, kind=Kind.FOK)
        assert rejects(scene, 1_000) == ["other"]
        scene.place(1_000, BUY, 51, 20, kind=Kind.FOK)
        answers = scene.until(2_000)
        assert [type(event) for event in answers] == [OrderAccepted, OrderFilled, OrderFilled]

    def test_a_no_sale_takes_the_yes_asks(self, scene: Scene) -> None:
        scene.give(1_000, "NO", 10)
        scene.book(20_000, "48x100", "52x100")
        scene.place(20_100, SELL, 48, 10, token="NO", kind=Kind.IOC)
        assert [(f.price, f.size) for f in scene.only(20_300, OrderFilled)] == [(4_800, sh(10))]
        assert scene.matching.positions == {}

    def test_slippage_worsens_but_never_passes_the_limit(self) -> None:
        scene = Scene(knobs("coin", slippage_bps=100.0))
        scene.book(10, "48x100", "52x10 53x10")
        scene.place(20, BUY, 53, 20, kind=Kind.IOC)
        assert [f.price for f in scene.only(1_000, OrderFilled)] == [5_252, 5_300]
        scene.place(4_000, SELL, 40, 20, kind=Kind.IOC)
        assert [f.price for f in scene.only(5_000, OrderFilled)] == [4_752]

    def test_a_gtc_takes_and_rests(self, scene: Scene) -> None:
        scene.place(100, BUY, 52, 120, kind=Kind.GTC)
        answers = scene.until(300)
        assert [type(event) for event in answers] == [OrderAccepted, OrderFilled]
        (resting,) = scene.matching.resting()
        assert (resting.rest, resting.level) == (sh(20), 5_200)

    def test_a_gtc_that_took_all_is_done(self, scene: Scene) -> None:
        scene.place(100, BUY, 52, 50, kind=Kind.GTC)
        scene.until(300)
        assert scene.matching.resting() == []

    def test_a_flat_taker_fee(self) -> None:
        scene = Scene(knobs(taker_fee_bps=30.0))
        scene.book(10, "48x100", "50x100")
        scene.place(20, BUY, 50, 10, kind=Kind.IOC)
        assert [f.fee for f in scene.only(1_000, OrderFilled)] == [15_000]

    def test_a_marketable_buy_is_at_least_a_dollar(self, scene: Scene) -> None:
        scene.place(100, BUY, 52, 1.92, kind=Kind.IOC)
        assert rejects(scene) == ["size"]

    def test_dust_on_a_level_is_not_taken(self, scene: Scene) -> None:
        scene.book(100, "48x100", "50x0.005 51x10")
        scene.place(200, BUY, 51, 10, kind=Kind.IOC)
        assert [f.price for f in scene.only(1_000, OrderFilled)] == [5_100]


class TestMoney:
    @pytest.mark.parametrize(("bps", "fee"), [(-20.0, -10_000), (30.0, 15_000), (None, 0)])
    def test_the_makers_fee(self, bps: float | None, fee: int) -> None:
        scene = Scene(knobs("coin", maker_fee_bps=bps, fill_probability=1.0, partial_fill_probability=0.0))
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 50, 10)
        scene.until(300)
        scene.book(400, "48x100", "50x10")
        (filled,) = scene.only(1_000, OrderFilled)
        assert filled.fee == fee
        assert scene.matching.cash == 500_000_000 - 5_000_000 - fee

    def test_a_failed_settlement_is_undone_exactly(self) -> None:
        scene = Scene(knobs(settlement_failure_probability=1.0, adverse_selection_bps=10.0, maker_fee_bps=30.0))
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 50, 10)
        scene.until(300)
        scene.book(400, "48x100", "50x10")
        assert scene.matching.positions == {"YES": sh(10)} and scene.only(2_399, FillSettled) == []
        (settled,) = scene.only(2_400, FillSettled)
        assert not settled.ok
        assert (scene.matching.cash, scene.matching.positions) == (500_000_000, {})

    def test_a_failed_sale_gives_the_shares_back(self) -> None:
        scene = Scene(knobs())
        scene.give(1_000, "YES", 20)
        before = scene.matching.cash
        scene.matching.knobs = knobs(settlement_failure_probability=1.0)
        scene.book(20_000, "48x100", "52x100")
        scene.place(20_100, SELL, 48, 20, kind=Kind.IOC)
        scene.until(21_000)
        assert scene.matching.positions == {}
        scene.until(30_000)
        assert (scene.matching.cash, scene.matching.positions) == (before, {"YES": sh(20)})

    def test_a_fill_that_the_cash_does_not_cover_ends_the_order(self, scene: Scene) -> None:
        """Nothing in the rules lets it come to this; if it does, cash does not go below zero."""
        scene.place(20, BUY, 50, 10)
        scene.until(300)
        scene.matching.account.cash = Cash(4_999_999)
        scene.book(400, "48x100", "50x10")
        assert [(e.matched, e.reason) for e in scene.only(1_000, OrderCancelled)] == [(0, "not enough balance")]
        assert (scene.matching.cash, scene.matching.account.reserved) == (4_999_999, 0)

    def test_a_taker_without_cover_ends_too(self, scene: Scene) -> None:
        scene.place(20, BUY, 52, 50, kind=Kind.IOC)
        scene.matching.account.reserved = Cash(-100_000_000)
        scene.matching.account.cash = Cash(10)
        assert [type(event) for event in scene.until(1_000)] == [OrderAccepted, OrderCancelled]

    @pytest.mark.parametrize(("payout", "paid"), [(10_000, 20_000_000), (0, 30_000_000), (5_000, 25_000_000)])
    def test_settlement_pays_both_tokens(self, scene: Scene, payout: int, paid: int) -> None:
        scene.give(1_000, "YES", 20)
        scene.give(20_000, "NO", 30)
        scene.book(40_000, "48x100", "52x100")
        scene.place(40_000, BUY, 49, 10)
        scene.place(40_000, SELL, 53, 10)
        scene.until(41_000)
        before = scene.matching.cash
        scene.matching.observe(MarketResolved(at(42_000), "m", Price(payout)))
        assert [event.reason for event in scene.only(50_000, OrderCancelled)] == ["market closed"] * 2
        assert (scene.matching.cash - before, scene.matching.positions, scene.matching.account.free) == (paid, {}, scene.matching.cash)
        scene.matching.observe(MarketResolved(at(52_000), "m", Price(payout)))
        assert scene.matching.cash == before + paid

    def test_a_decided_market_settles_what_was_under_way(self) -> None:
        scene = Scene(knobs(settlement_failure_probability=1.0))
        scene.book(10, "48x100", "50x100")
        scene.place(20, BUY, 50, 10, kind=Kind.IOC)
        scene.until(300)
        before = scene.matching.cash
        scene.matching.observe(MarketResolved(at(400), "m", Price(10_000)))
        (settled,) = scene.only(10_000, FillSettled)
        assert settled.ok and settled.at == at(400)
        assert scene.matching.cash == before + 10_000_000

    def test_a_closed_market_cancels(self, scene: Scene) -> None:
        scene.place(20, BUY, 49, 10)
        scene.until(300)
        scene.matching.observe(MarketClosed(at(400), "m"))
        assert scene.until(1_000) == [OrderCancelled(at(400), 1, sh(0), "market closed")]


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

    def test_memory_is_flat_but_open_orders_are_kept(self, scene: Scene) -> None:
        scene.place(20, BUY, 40, 10)
        for count in range(REMEMBERED + 50):
            scene.send(100 + count, Place(count + 2, "m", "YES", BUY, Price(4_550), sh(10)))
        scene.until(60_000)
        scene.send(60_000, Sync((1, 2, REMEMBERED)))
        (seen,) = scene.only(70_000, AccountSeen)
        assert [order.status for order in seen.orders] == ["open", "absent", "absent"]
        register = scene.matching._orders
        assert 1 in register and 2 not in register and REMEMBERED + 51 in register


class TestConservation:
    @pytest.mark.parametrize("model", ["coin", "queue", "bbo"])
    @pytest.mark.parametrize("seed", range(6))
    def test_cash_and_shares_add_up_to_the_told_fills(self, model: str, seed: int) -> None:
        """A thousand random commands and facts: the truth equals what a desk can add up, and nothing is ever owed or oversold."""
        chance = Chance(seed)
        rules = knobs(model, adverse_selection_bps=10.0, maker_fee_bps=-20.0, slippage_bps=5.0, settlement_failure_probability=0.1)
        scene = Scene(rules, seed, Cash(60_000_000))
        sides: dict[int, tuple[Side, str]] = {}
        deltas: dict[str, tuple[int, str, int]] = {}
        told = 0
        for step in range(1_000):
            ms = 100 + step * 40
            mid = 50 + chance.bits() % 7 - 3
            self.market(scene, ms, mid, chance)
            self.command(scene, ms, mid, chance, sides)
            for event in scene.until(ms):
                told += 1
                if isinstance(event, OrderFilled):
                    side, token = sides[event.order]
                    sign = 1 if side is BUY else -1
                    notional = event.price * event.size / 10_000
                    assert notional == int(notional)
                    deltas[event.trade] = (-sign * int(notional) - event.fee - event.adverse, token, sign * event.size)
                elif isinstance(event, FillSettled) and not event.ok:
                    del deltas[event.trade]
            account = scene.matching.account
            assert account.cash >= 0 and all(size > 0 for size in account.positions.values())
            assert account.reserved == sum(order.held for order in scene.matching.resting() if order.side is BUY)
            assert all(account.sellable(token) >= 0 for token in ("YES", "NO"))
        for event in scene.until(10_000_000):
            if isinstance(event, FillSettled) and not event.ok:
                del deltas[event.trade]
            assert not isinstance(event, OrderFilled) or event.trade in deltas
        assert told > 300 and len(deltas) > (10 if model != "queue" else 3)
        assert scene.matching.cash == 60_000_000 + sum(cash for cash, _, _ in deltas.values())
        for token in ("YES", "NO"):
            assert scene.matching.positions.get(token, 0) == sum(size for _, held, size in deltas.values() if held == token)

    def market(self, scene: Scene, ms: float, mid: int, chance: Chance) -> None:
        draw = chance.bits() % 4
        if draw == 0:
            scene.book(ms, f"{mid - 2}x{draw + 20} {mid - 1}x15", f"{mid + 1}x12 {mid + 2}x30")
        elif draw == 1:
            scene.trade(ms, SELL if mid % 2 else BUY, mid, 25)
        else:
            scene.change(ms, BUY if draw == 2 else SELL, mid - 1 if draw == 2 else mid + 1, 10 + mid % 5)

    def command(self, scene: Scene, ms: float, mid: int, chance: Chance, sides: dict[int, tuple[Side, str]]) -> None:
        draw = chance.bits() % 8
        command: Command
        if draw < 5:
            side, token = (SELL if draw == 4 else BUY), ("YES" if draw % 2 else "NO")
            cents = mid - 2 + draw if token == "YES" else 100 - mid - 1
            kind = Kind.IOC if draw == 3 else Kind.POST_ONLY
            scene.place(ms, side, cents, 5 + draw, token, kind)
            sides[scene.count] = (side, token)
            return
        command = Cancel(max(1, scene.count - 2)) if draw == 5 else CancelAll() if draw == 6 else Sync((scene.count,))
        scene.send(ms, command)


def test_the_default_wallet_is_500_dollars() -> None:
    assert Matching(knobs(), 1).cash == cash_of("500")
