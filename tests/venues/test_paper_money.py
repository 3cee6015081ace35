"""The paper exchange's money: selling, taking, charges, settlement, and conservation to the micro-dollar."""

import pytest

from pmm_tui.core.commands import Cancel, CancelAll, Command, Sync
from pmm_tui.core.events import (
    FillSettled,
    MarketClosed,
    MarketResolved,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
)
from pmm_tui.core.fees import taker_fee
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import Cash, Price, cash_of
from pmm_tui.venues.paper.chance import Chance
from tests.venues.scene import BUY, MARKET, SELL, Scene, at, knobs, sh


@pytest.fixture
def scene() -> Scene:
    made = Scene()
    made.book(10, "48x100", "52x100")
    return made


def rejects(scene: Scene, ms: float = 10_000) -> list[str]:
    return [event.code for event in scene.only(ms, OrderRejected)]


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
        scene.place(20_100, SELL, 48, 10, outcome="NO", kind=Kind.IOC)
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
            side, outcome = (SELL if draw == 4 else BUY), ("YES" if draw % 2 else "NO")
            cents = mid - 2 + draw if outcome == "YES" else 100 - mid - 1
            kind = Kind.IOC if draw == 3 else Kind.POST_ONLY
            scene.place(ms, side, cents, 5 + draw, outcome, kind)
            sides[scene.count] = (side, outcome)
            return
        command = Cancel(max(1, scene.count - 2)) if draw == 5 else CancelAll() if draw == 6 else Sync((scene.count,))
        scene.send(ms, command)
