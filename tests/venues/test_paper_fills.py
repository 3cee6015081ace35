"""The three fill models: what is evidence of a fill, how much of it, and how often."""

from typing import ClassVar

import pytest

from pmm_tui.core.commands import Cancel
from pmm_tui.core.events import OrderCancelled, OrderFilled, Traded
from pmm_tui.core.market import Kind
from pmm_tui.core.units import LOT, ONE, Nanos, Price, Size
from pmm_tui.venues.paper.chance import Chance
from pmm_tui.venues.paper.fills import Bbo, Coin, NoTrades, PaperKnobs, Queue, Resting, Touch, check_source, fill_model
from pmm_tui.venues.paper.queue import QueuePlace, behind
from tests.venues.scene import BUY, MARKET, SELL, Scene, knobs, sh

SURE = {"fill_probability": 1.0, "partial_fill_probability": 0.0}


def order(level: int = 4_900, bid: bool = True, size: float = 10) -> Resting:
    return Resting(1, "m", "YES", BUY if bid else SELL, Price(level), sh(size), Kind.POST_ONLY, bid, Price(level))


class TestChoice:
    def test_by_name(self) -> None:
        assert [type(fill_model(knobs(name), Chance(1))) for name in ("coin", "queue", "bbo")] == [Coin, Queue, Bbo]

    def test_queue_is_refused_where_nothing_trades(self) -> None:
        with pytest.raises(NoTrades, match="without trades, so nothing would ever fill; choose coin or bbo"):
            check_source(knobs("queue"), has_trades=False)
        check_source(knobs("queue"), has_trades=True)
        check_source(knobs("coin"), has_trades=False)
        check_source(knobs("bbo"), has_trades=False)


class TestChance:
    def test_splitmix64_reference_values(self) -> None:
        """First outputs for seed 1234567 as published with the algorithm."""
        chance = Chance(1_234_567)
        assert [chance.bits() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]

    def test_units_are_in_range_and_even(self) -> None:
        chance = Chance(3)
        draws = [chance.unit() for _ in range(4_000)]
        assert min(draws) >= 0 and max(draws) < 1
        assert sum(draws) / len(draws) == pytest.approx(0.5, abs=0.02)

    def test_certainties_draw_nothing(self) -> None:
        one, other = Chance(1), Chance(1)
        assert one.hits(1.0) and not one.hits(0.0)
        assert one.bits() == other.bits()


class TestTouch:
    """`bbo` shows the rule of evidence that `coin` shares: fresh displayed size at or through the price."""

    @pytest.fixture
    def scene(self) -> Scene:
        scene = Scene()
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 50, 100)
        assert scene.until(200)
        return scene

    def test_the_ask_reaching_our_bid_fills_what_it_shows(self, scene: Scene) -> None:
        scene.book(300, "48x100", "50x30 52x100")
        filled = scene.only(330, OrderFilled)
        assert [(f.price, f.size, f.maker, f.at) for f in filled] == [(5_000, sh(30), True, filled[0].at)]

    def test_the_same_snapshot_again_fills_nothing_more(self, scene: Scene) -> None:
        for ms in (300, 1_300, 2_300):
            scene.book(ms, "48x100", "50x30 52x100")
        assert sum(f.size for f in scene.only(5_000, OrderFilled)) == sh(30)

    def test_growth_is_fresh_and_shrinking_is_not(self, scene: Scene) -> None:
        for ms, size in ((300, 30), (400, 50), (500, 20), (600, 35)):
            scene.book(ms, "48x100", f"50x{size} 52x100")
        assert [f.size for f in scene.only(5_000, OrderFilled)] == [sh(30), sh(20), sh(15)]

    def test_a_level_that_left_and_came_back_is_fresh(self, scene: Scene) -> None:
        scene.book(300, "48x100", "50x30 52x100")
        scene.book(400, "48x100", "52x100")
        scene.book(500, "48x100", "50x30 52x100")
        assert [f.size for f in scene.only(5_000, OrderFilled)] == [sh(30), sh(30)]

    def test_through_counts_every_level_that_passed(self, scene: Scene) -> None:
        scene.book(300, "46x100", "47x20 49x25 50x15 51x100")
        assert [(f.price, f.size) for f in scene.only(5_000, OrderFilled)] == [(5_000, sh(60))]

    def test_many_levels_at_once(self, scene: Scene) -> None:
        scene.book(300, "30x100", " ".join(f"{cents}x1" for cents in range(35, 60)))
        assert [f.size for f in scene.only(5_000, OrderFilled)] == [sh(16)]

    def test_the_same_by_level_changes(self, scene: Scene) -> None:
        scene.change(300, SELL, 50, 30)
        scene.change(400, SELL, 50, 30)
        scene.change(500, SELL, 49, 10)
        scene.change(600, SELL, 50, 33)
        assert [f.size for f in scene.only(5_000, OrderFilled)] == [sh(30), sh(10), sh(3)]

    def test_never_more_than_the_order(self, scene: Scene) -> None:
        scene.book(300, "48x100", "50x3000")
        assert [f.size for f in scene.only(5_000, OrderFilled)] == [sh(100)]
        assert scene.matching.resting() == []

    def test_two_of_our_orders_share_one_display_best_first(self, scene: Scene) -> None:
        better = scene.place(300, BUY, 51, 20)
        scene.until(500)
        scene.book(600, "48x100", "50x50 53x100")
        assert [(f.order, f.price, f.size) for f in scene.only(5_000, OrderFilled)] == [(better, 5_100, sh(20)), (1, 5_000, sh(30))]

    def test_a_crossed_book_is_no_evidence(self, scene: Scene) -> None:
        scene.book(300, "50x100", "50x30")
        scene.book(400, "51x100", "49x30")
        assert scene.only(5_000, OrderFilled) == []

    def test_an_empty_side_is_no_evidence(self, scene: Scene) -> None:
        scene.book(300, "", "")
        scene.book(400, "48x1", "")
        assert scene.only(5_000, OrderFilled) == []

    def test_an_ask_is_reached_by_bids(self) -> None:
        scene = Scene()
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 50, 40, outcome="NO")  # a NO bid at 50 is a YES ask at 50
        scene.until(200)
        scene.book(300, "50x10 51x5", "53x100")
        filled = scene.only(5_000, OrderFilled)
        assert [(f.price, f.size) for f in filled] == [(5_000, sh(15))]
        assert scene.matching.positions == {"NO": sh(15)}

    def test_trades_are_not_looked_at(self, scene: Scene) -> None:
        scene.trade(300, SELL, 49, 1_000)
        assert scene.only(5_000, OrderFilled) == []

    def test_slippage_is_charged_beside_the_price(self) -> None:
        scene = Scene(knobs(slippage_bps=10.0, adverse_selection_bps=5.0))
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 50, 100)
        scene.until(200)
        scene.book(300, "48x100", "50x100")
        (filled,) = scene.only(5_000, OrderFilled)
        assert (filled.price, filled.adverse) == (5_000, 75_000)
        assert scene.matching.cash == 500_000_000 - 50_000_000 - 75_000


class TestCoin:
    def flips(self, probability: float, runs: int = 400, **more: float | bool) -> float:
        """The part of touches that fill."""
        hits = 0
        for seed in range(runs):
            scene = Scene(knobs("coin", fill_probability=probability, partial_fill_probability=0.0, **more), seed=seed)
            scene.book(10, "48x100", "52x100")
            scene.place(20, BUY, 49, 10)
            scene.until(200)
            scene.book(300, "48x100", "49x30")
            hits += bool(scene.only(5_000, OrderFilled))
        return hits / runs

    def test_the_coin_is_fair_to_its_knob(self) -> None:
        assert self.flips(0.3) == pytest.approx(0.3, abs=0.07)
        assert self.flips(0.0) == 0
        assert self.flips(1.0) == 1

    def test_decay_lowers_it(self) -> None:
        """49 against a mid of 50 with a half-spread of 2 cents: 1 - 1/4."""
        assert self.flips(0.4, fill_distance_decay=True) == pytest.approx(0.3, abs=0.07)

    def test_one_throw_for_the_same_display(self) -> None:
        """Thrown again at each snapshot, a coin of 0.3 would nearly always fill within twenty."""
        hits = 0
        for seed in range(200):
            scene = Scene(knobs("coin", fill_probability=0.3), seed=seed)
            scene.book(10, "48x100", "52x100")
            scene.place(20, BUY, 50, 10)
            scene.until(200)
            for step in range(20):
                scene.book(300 + step, "48x100", "50x30")
            hits += bool(scene.only(5_000, OrderFilled))
        assert hits / 200 == pytest.approx(0.3, abs=0.1)

    def test_the_same_seed_gives_the_same_fills(self) -> None:
        def run(seed: int) -> list[tuple[int, int]]:
            scene = Scene(knobs("coin", fill_probability=0.5, partial_fill_probability=0.5), seed=seed)
            scene.book(10, "40x100", "60x100")
            for cents in range(41, 51):
                scene.place(20, BUY, cents, 10)
            scene.until(200)
            for step in range(10):
                scene.book(300 + step, "40x100", f"{50 - step}x{5 + step} 60x100")
            return [(f.order, f.size) for f in scene.only(5_000, OrderFilled)]

        assert run(5) == run(5) != run(6)
        assert len(run(5)) >= 3

    def test_partial_fills_are_lots_within_the_order(self) -> None:
        sizes = set()
        coin = Coin(PaperKnobs(fill_probability=1.0, partial_fill_probability=1.0), Chance(9))
        for _ in range(200):
            size = coin.touched(order(size=10), sh(7.005), Touch(Price(4_800), Price(5_200)))
            assert LOT <= size <= sh(7) and size % LOT == 0
            sizes.add(size)
        assert len(sizes) > 100

    def test_a_trade_at_or_through_is_a_touch_by_its_size(self) -> None:
        scene = Scene(knobs("coin", **SURE))
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 50, 100)
        scene.until(200)
        scene.trade(300, SELL, 51, 10)
        scene.trade(301, SELL, 50, 12)
        scene.trade(302, BUY, 49, 7)  # the reported side is often wrong; the price is not
        assert [f.size for f in scene.only(5_000, OrderFilled)] == [sh(12), sh(7)]

    def test_one_trade_is_shared(self) -> None:
        scene = Scene(knobs("coin", **SURE))
        scene.book(10, "45x100", "52x100")
        scene.place(20, BUY, 49, 10)
        scene.place(20, BUY, 50, 10)
        scene.until(200)
        scene.trade(300, SELL, 48, 15)
        assert [(f.order, f.size) for f in scene.only(5_000, OrderFilled)] == [(2, sh(10)), (1, sh(5))]

    def test_less_than_a_lot_is_no_fill(self) -> None:
        coin = Coin(PaperKnobs(fill_probability=1.0), Chance(1))
        assert coin.touched(order(), Size(9_999), Touch(Price(4_800), Price(5_200))) == 0

    @pytest.mark.parametrize(
        ("level", "bid", "ask", "decay"),
        [
            (5_000, 4_900, 5_100, 1.0),  # at the mid
            (4_900, 4_900, 5_100, 0.5),  # at the touch
            (4_850, 4_900, 5_100, 0.25),
            (4_800, 4_900, 5_100, 0.05),  # two half-spreads away: the floor
            (1_000, 4_900, 5_100, 0.05),
            (5_150, 4_900, 5_100, 0.25),  # an ask is as far
            (4_900, 0, 5_100, 1.0),  # no mid, no distance
            (4_900, 4_900, ONE, 1.0),
            (4_900, 5_100, 5_000, 1.0),
        ],
    )
    def test_distance_decay(self, level: int, bid: int, ask: int, decay: float) -> None:
        touch = Touch(Price(bid), Price(ask))
        assert Coin(PaperKnobs(fill_distance_decay=True), Chance(1)).decay(order(level), touch) == pytest.approx(decay)
        assert Coin(PaperKnobs(fill_distance_decay=False), Chance(1)).decay(order(level), touch) == 1.0


class TestQueue:
    SURE: ClassVar[dict[str, float]] = {"queue_base_probability": 1.0, "queue_exponent": 0.0, "queue_size_factor_min": 1.0}

    def scene(self, **more: float | str) -> Scene:
        scene = Scene(knobs("queue", **{**self.SURE, **more}))
        scene.book(10, "48x100 50x600", "52x100")
        scene.place(20, BUY, 50, 100)
        scene.until(200)
        return scene

    def place(self, scene: Scene) -> QueuePlace:
        (resting,) = scene.matching.resting()
        assert resting.place is not None
        return resting.place

    def test_displayed_size_never_fills(self) -> None:
        scene = self.scene()
        scene.change(300, BUY, 50, 10)
        scene.change(301, BUY, 50, 0)
        scene.book(302, "40x100", "45x100")
        assert scene.only(5_000, OrderFilled) == []

    def test_a_trade_fills_at_most_forty_percent_of_itself(self) -> None:
        scene = self.scene()
        scene.trade(300, SELL, 50, 100)
        scene.trade(301, SELL, 49, 50)
        assert [(f.price, f.size) for f in scene.only(5_000, OrderFilled)] == [(5_000, sh(40)), (5_000, sh(20))]

    def test_all_our_orders_together_get_at_most_that(self) -> None:
        scene = self.scene()
        scene.place(250, BUY, 49, 100)
        scene.place(250, BUY, 48, 100)
        scene.until(500)
        scene.trade(600, SELL, 45, 1_000 / 4)
        assert sum(f.size for f in scene.only(5_000, OrderFilled)) == sh(100)

    def test_a_trade_away_from_us_does_nothing(self) -> None:
        scene = self.scene()
        scene.trade(300, SELL, 51, 100)
        assert scene.only(5_000, OrderFilled) == []
        assert self.place(scene).front == 600

    def test_an_ask_of_ours_is_filled_by_buyers(self) -> None:
        scene = Scene(knobs("queue", **self.SURE))
        scene.book(10, "48x100", "52x100")
        scene.place(20, BUY, 49, 10, outcome="NO")
        scene.until(200)
        scene.trade(300, BUY, 51, 100)
        assert [f.size for f in scene.only(5_000, OrderFilled)] == [sh(10)]

    def test_the_place_follows_the_level_to_m9s_digits(self) -> None:
        scene = self.scene(queue_base_probability=0.0)
        scene.change(300, BUY, 50, 1_000)
        scene.change(301, BUY, 50, 900)
        assert self.place(scene).front == pytest.approx(530.7692308, rel=1e-9)
        scene.trade(302, SELL, 50, 150)
        scene.change(303, BUY, 50, 700)
        assert self.place(scene).front == pytest.approx(363.2836816, rel=1e-9)
        scene.book(304, "48x100 50x100", "52x100")
        assert self.place(scene).front <= 100

    def test_a_trade_of_the_other_side_does_not_move_the_queue(self) -> None:
        scene = self.scene(queue_base_probability=0.0)
        scene.trade(300, BUY, 50, 150)
        assert self.place(scene).front == 600

    def test_a_trade_through_sweeps_who_was_ahead(self) -> None:
        scene = self.scene(queue_base_probability=0.0)
        scene.trade(300, SELL, 49, 1)
        assert self.place(scene).front == 0

    def test_an_order_that_rested_too_long_is_cancelled(self) -> None:
        scene = self.scene(queue_order_age_s_max=300.0)
        assert scene.only(300_149, OrderCancelled) == []
        (gone,) = scene.only(300_150, OrderCancelled)
        assert (gone.order, gone.matched, gone.reason) == (1, 0, "expired after 300 s")
        assert scene.matching.resting() == []

    def test_an_order_gone_before_does_not_expire_again(self) -> None:
        scene = self.scene()
        scene.send(250, Cancel(1))
        assert len(scene.only(400_000, OrderCancelled)) == 1

    @pytest.mark.parametrize(
        ("front", "level", "trade", "price", "side", "probability"),
        [
            (0, 600, 10, 5_000, SELL, 0.3),  # at the head, trade as large as the order
            (0, 600, 10, 4_900, SELL, 0.45),  # through
            (0, 600, 100, 5_000, SELL, 0.6),  # size factor at most 2
            (0, 600, 1, 5_000, SELL, 0.15),  # and at least 0.5
            (300, 600, 10, 5_000, SELL, 0.3 * 0.3535533906),
            (600, 600, 10, 5_000, SELL, 0.0),  # everybody is ahead
            (0, 600, 10, 5_000, BUY, 0.09),  # the wrong side
            (0, 600, 10, 4_900, BUY, 0.135),
        ],
    )
    def test_the_factors(self, front: float, level: float, trade: float, price: int, side: str, probability: float) -> None:
        place = QueuePlace(level, behind("power"))
        place.front = front
        queue = Queue(PaperKnobs(fill_model="queue"), Chance(1))
        event = Traded(Nanos(0), "m", Nanos(0), Price(price), sh(trade), BUY if side == "BUY" else SELL)
        got = queue.probability(order(5_000), event, place, through=price != 5_000, right=side == "SELL")
        assert got == pytest.approx(probability, abs=1e-9)

    def test_an_order_it_did_not_place_never_fills(self) -> None:
        queue = Queue(PaperKnobs(fill_model="queue"), Chance(1))
        queue.changed(order(), sh(1))
        assert queue.traded(order(), Traded(Nanos(0), "m", Nanos(0), Price(4_900), sh(9), SELL), sh(9), Touch(Price(1), ONE)) == 0
        assert queue.touched(order(), sh(9), Touch(Price(1), ONE)) == 0


def test_models_without_memory_of_levels_ignore_them() -> None:
    assert MARKET.tick == 100
    for model in (Coin(PaperKnobs(), Chance(1)), Bbo()):
        resting = order()
        model.placed(resting, sh(5))
        model.changed(resting, sh(1))
        assert resting.place is None
