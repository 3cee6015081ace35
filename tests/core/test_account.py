"""The wallet behind the desk: how it opens, what the chain says, what others trade with it, and pairs that become dollars."""

from pmm_tui.core.commands import Alert, Command, Merge, Place, Sync, Watch
from pmm_tui.core.events import (
    AccountOpened,
    AccountSeen,
    ExternalFilled,
    ExternalOrder,
    FillSettled,
    MarketListed,
    MarketResolved,
    OrderAccepted,
    OrderCancelled,
    OrderRejected,
    OrderSeen,
    OrderSigned,
    PairsMerged,
    PositionFound,
    WalletSeen,
)
from pmm_tui.core.instructions import Ended, Flattened, Killed
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import DOLLAR, ONE, SHARE, Cash, Price, Size
from tests.core.desk import MARKET, Bench, at, book, cancels, knobs, places

QUIET = "47x100 48x100 | 52x100 53x100"


def quoting(**changes: float | int | bool | str) -> tuple[Bench, list[Place]]:
    """A desk with its first orders, accepted."""
    bench = Bench(knobs(**changes))
    sent = places(bench.tell(book(100, QUIET)))
    bench.accept(sent, 200)
    return bench, sent


def usd(dollars: float) -> Cash:
    return Cash(round(dollars * DOLLAR))


def holding(bench: Bench, yes: float, no: float) -> None:
    """Shares from before the run."""
    for token, shares in ((MARKET.yes, yes), (MARKET.no, no)):
        bench.tell(PositionFound(at(150), MARKET.id, token, Size(round(shares * SHARE)), Price(5_000)))


class TestOpening:
    def test_the_venues_cash_replaces_the_profiles(self) -> None:
        bench = Bench(listed=False)
        bench.tell(AccountOpened(at(0), usd(25)))
        money = bench.engine.snapshot().money
        assert (money.initial, money.cash, money.equity, money.peak) == (usd(25), usd(25), usd(25), usd(25))

    def test_not_once_something_was_traded(self) -> None:
        bench, sent = quoting()
        bench.fill(sent[0], 10, 300)
        before = bench.engine.snapshot().money.cash
        bench.tell(AccountOpened(at(400), usd(25)))
        assert bench.engine.snapshot().money.cash == before

    def test_shares_from_before_make_no_profit_and_can_be_lost(self) -> None:
        bench = Bench()
        bench.tell(book(100, QUIET))
        holding(bench, 20, 0)
        bench.tick(300)
        money = bench.engine.snapshot().money
        assert (money.initial, money.equity, money.drawdown) == (usd(510), usd(510), 0)
        bench.tell(book(400, "37x100 38x100 | 42x100 43x100"))
        bench.tick(600)
        assert bench.engine.snapshot().money.drawdown == usd(2)

    def test_they_are_no_room_for_losses_and_none_for_new_capital(self) -> None:
        bench = Bench(knobs(initial_balance=25, kill_switch_max_drawdown_pct=20, kill_switch_alert_pct=15, max_position_size=5_000))
        bench.tell(AccountOpened(at(50), usd(25)))
        holding(bench, 2_000, 0)
        bench.tell(book(200, QUIET))
        bench.tick(300)
        assert bench.engine.state.equity_now == usd(1_025) and bench.engine.state.capital == usd(25)
        shown = bench.engine.snapshot()
        assert [quote.held for quote in shown.markets[0].quotes if quote.side is Side.BUY] == ["capital cap"]
        assert [row.side for row in shown.orders] == [Side.SELL]
        bench.tell(book(400, "46.8x100 47.8x100 | 51.8x100 52.8x100"))
        bench.tick(600)
        assert bench.engine.snapshot().money.drawdown == usd(4) and bench.engine.state.kill.phase == "alert"
        bench.tell(book(700, "46.7x100 47.7x100 | 51.7x100 52.7x100"))
        bench.tick(900)
        assert bench.engine.snapshot().money.drawdown_pct >= 20 and bench.engine.state.kill.stopped, "$6 of the $25, not of the $1,025"

    def test_a_wallet_that_is_all_shares_has_what_the_desk_was_given(self) -> None:
        bench = Bench(knobs(initial_balance=25, kill_switch_max_drawdown_pct=20, kill_switch_alert_pct=15))
        bench.tell(AccountOpened(at(50), usd(0)))
        bench.tell(book(100, QUIET))
        holding(bench, 50, 0)
        bench.tell(book(400, "46x100 47x100 | 51x100 52x100"))
        bench.tick(600)
        assert (bench.engine.state.capital, bench.engine.snapshot().money.drawdown_pct) == (usd(24.5), 2.0)

    def test_told_twice_they_count_once(self) -> None:
        bench = Bench()
        bench.tell(book(100, QUIET))
        holding(bench, 20, 0)
        holding(bench, 20, 0)
        assert bench.engine.snapshot().markets[0].yes == 20 * SHARE


def test_an_order_carries_its_venue_id_before_it_is_accepted() -> None:
    bench = Bench()
    (place, *_) = places(bench.tell(book(100, QUIET)))
    bench.tell(OrderSigned(at(101), place.order, "0xabc"), OrderSigned(at(101), 99, "0xdef"))
    assert bench.engine.state.live[place.order].venue_id == "0xabc"
    bench.tell(OrderAccepted(at(200), place.order))
    assert bench.engine.state.live[place.order].venue_id == "0xabc"


class TestComparison:
    def test_what_is_on_its_way_to_the_chain_may_be_in_their_figures_or_not(self) -> None:
        bench, sent = quoting()
        buy = next(place for place in sent if place.token == MARKET.yes)
        bench.fill(buy, 10, 300)
        paid = bench.engine.state.portfolio.initial - bench.engine.state.portfolio.cash
        for ms, cash, shares in ((1_000, 500, 0), (3_000, 500 - paid / DOLLAR, 10)):
            bench.tell(AccountSeen(at(ms), usd(cash), ((MARKET.yes, Size(shares * SHARE)),) if shares else (), ()))
            assert bench.engine.state.account_misses == 0
        bench.tell(FillSettled(at(4_000), "t1", buy.order, True), AccountSeen(at(5_000), usd(500), (), ()))
        assert bench.engine.state.account_misses == 1, "confirmed, it must be in them"

    def test_the_chain_twice_wrong_holds_and_three_times_kills(self) -> None:
        bench, _ = quoting()
        for ms, hold in ((1_000, ""), (31_000, "the wallet on chain does not match our books")):
            bench.tell(book(ms - 500, QUIET), WalletSeen(at(ms), usd(475), ()))
            bench.tick(ms + 200)
            assert bench.engine.state.markets[MARKET.id].hold == hold
        bench.tell(WalletSeen(at(61_000), usd(475), ()))
        assert bench.engine.state.kill.stopped and "wallet on chain" in bench.engine.state.kill.why

    def test_the_chain_right_again_reopens_and_gas_is_lost_money(self) -> None:
        bench, _ = quoting()
        bench.tell(WalletSeen(at(1_000), usd(475), ()), WalletSeen(at(31_000), usd(475), ()))
        bench.tell(WalletSeen(at(61_000), usd(500), (), usd(0.04)), book(61_100, QUIET))
        bench.tick(61_300)
        assert bench.engine.state.wallet_misses == 0 and bench.engine.state.markets[MARKET.id].hold == ""
        assert bench.engine.snapshot().money.equity == usd(499.96)

    def test_what_is_won_is_spent_only_once_redeemed(self) -> None:
        bench = Bench(knobs(redeem_by_hand=True))
        bench.tell(book(100, QUIET))
        holding(bench, 20, 0)
        bench.tell(MarketResolved(at(500), MARKET.id, ONE))
        portfolio = bench.engine.state.portfolio
        assert (portfolio.cash, portfolio.spendable) == (usd(520), usd(500))
        bench.tell(AccountSeen(at(1_000), usd(500), ((MARKET.yes, Size(20 * SHARE)),), ()))
        assert (bench.engine.state.account_misses, portfolio.spendable) == (0, usd(500))
        bench.tell(AccountSeen(at(3_000), usd(520), (), ()))
        assert (bench.engine.state.account_misses, portfolio.spendable) == (0, usd(520))


class TestExternal:
    def order(self, price: int = 4_000, side: Side = Side.BUY) -> tuple[ExternalOrder, ...]:
        return (ExternalOrder(-1, "0xforeign", MARKET.id, MARKET.yes, side, Price(price), Size(100 * SHARE)),)

    def test_an_order_by_hand_counts_in_every_cap_and_is_let_be(self) -> None:
        bench, sent = quoting()
        reserved = bench.engine.state.reserved
        asked = bench.tell(AccountSeen(at(1_000), usd(500), (), tuple(OrderSeen(p.order, "open", Size(0)) for p in sent), self.order()))
        assert bench.engine.state.reserved == reserved + usd(40)
        assert [command.key for command in asked if isinstance(command, Alert)] == ["external"]
        assert not cancels(asked + bench.tick(1_500)) or -1 not in cancels(bench.asked)
        assert any(order.status == "EXTERNAL" for order in bench.engine.snapshot().orders)
        bench.tell(AccountSeen(at(3_000), usd(500), (), ()))
        assert not any(order.status == "EXTERNAL" for order in bench.engine.snapshot().orders)

    def test_we_never_trade_with_it(self) -> None:
        bench = Bench()
        bench.tell(AccountSeen(at(50), usd(500), (), (), self.order(4_800, Side.SELL)))
        sent = places(bench.tell(book(100, QUIET)))
        bids = [p for p in sent if (p.token == MARKET.yes) is (p.side is Side.BUY)]
        assert not [p for p in bids if p.price >= 4_800]

    def test_a_fill_by_hand_moves_money_and_shares_once(self) -> None:
        bench, _ = quoting()
        fill = ExternalFilled(at(1_000), -1, "t9", MARKET.id, MARKET.yes, Side.BUY, Price(4_000), Size(10 * SHARE), usd(0.1))
        assert [type(command) for command in bench.tell(fill, fill) if isinstance(command, Alert)] == [Alert]
        row = bench.engine.snapshot().markets[0]
        assert (row.yes, bench.engine.snapshot().money.cash) == (10 * SHARE, usd(495.9))
        bench.tell(FillSettled(at(2_000), "t9", -1, False))
        row = bench.engine.snapshot().markets[0]
        assert (row.yes, bench.engine.snapshot().money.cash) == (0, usd(500))

    def test_a_kill_is_not_verified_while_it_rests(self) -> None:
        bench, sent = quoting()
        bench.tell(Killed(at(1_000), "test"), *[OrderCancelled(at(1_100), p.order, Size(0)) for p in sent])
        bench.tell(AccountSeen(at(1_200), usd(500), (), (), self.order()))
        assert bench.engine.snapshot().phase == "killing"
        bench.tell(AccountSeen(at(2_400), usd(500), (), ()))
        assert bench.engine.snapshot().phase == "killed"


class TestFailures:
    def test_a_third_failed_trade_in_ten_minutes_kills(self) -> None:
        bench, sent = quoting(failed_trades_max=2)
        for number in range(3):
            assert not bench.engine.state.kill.stopped
            bench.fill(sent[0], 1, 1_000 + number, f"t{number}")
            bench.tell(FillSettled(at(1_100 + number), f"t{number}", sent[0].order, False))
        assert "3 trades failed on chain" in bench.engine.state.kill.why

    def test_a_market_waits_after_one(self) -> None:
        bench, sent = quoting(failed_hold_s=5.0)
        bench.fill(sent[0], 1, 1_000)
        bench.tell(FillSettled(at(1_100), "t1", sent[0].order, False), book(1_150, QUIET))
        bench.tick(1_300)
        assert "failed on chain" in bench.engine.state.markets[MARKET.id].hold
        bench.tell(book(6_000, QUIET))
        bench.tick(6_300)
        assert bench.engine.state.markets[MARKET.id].hold == ""

    def test_more_than_its_size_halts(self) -> None:
        bench, sent = quoting()
        bench.fill(sent[0], sent[0].size / SHARE + 0.005, 1_000)
        assert not bench.engine.state.kill.stopped, "the venue's dust"
        bench.fill(sent[1], sent[1].size / SHARE + 5, 1_100, "t2")
        assert "beyond its size" in bench.engine.state.kill.why

    def test_a_trade_the_chain_forgets_is_told_once(self) -> None:
        bench, sent = quoting()
        bench.fill(sent[0], 5, 1_000)
        told = [command for command in bench.tick(130_000) if isinstance(command, Alert) and command.key == "overdue"]
        assert len(told) == 1


class TestRefusals:
    def refuse(self, bench: Bench, place: Place, code: str, ms: int) -> list[object]:
        return list(bench.tell(OrderRejected(at(ms), place.order, f"refused: {code}", code)))

    def test_for_want_of_balance_it_asks_the_account_and_comes_back_smaller(self) -> None:
        bench = Bench(knobs(default_order_size=40.0, reject_backoff_ms=100))
        (place, *_) = places(bench.tell(book(100, QUIET)))
        assert any(isinstance(command, Sync) for command in self.refuse(bench, place, "balance", 200))
        asked = bench.tell(book(400, QUIET)) + bench.tick(900)
        (again, *_) = [p for p in places(asked) if (p.token, p.side) == (place.token, place.side)]
        assert again.size == place.size // 2
        bench.tell(OrderAccepted(at(1_000), again.order), AccountSeen(at(2_000), usd(500), (), ()))
        assert not bench.engine.state.markets[MARKET.id].backoff[(place.token, place.side)].short

    def test_too_small_to_be_halved_it_is_held(self) -> None:
        bench = Bench(knobs(default_order_size=6.0, reject_backoff_ms=100))
        (place, *_) = places(bench.tell(book(100, QUIET)))
        self.refuse(bench, place, "balance", 200)
        bench.tell(book(400, QUIET))
        bench.tick(900)
        assert "the venue says the balance does not cover it" in [quote.held for quote in bench.engine.state.markets[MARKET.id].quotes]

    def test_for_the_tick_it_fetches_the_book(self) -> None:
        bench = Bench()
        (place, *_) = places(bench.tell(book(100, QUIET)))
        assert Watch(MARKET.id) in self.refuse(bench, place, "tick", 200)


class TestUnlisted:
    """An order of the wallet in a market that the desk does not list."""

    def seen(self, ms: int, *orders: ExternalOrder) -> AccountSeen:
        return AccountSeen(at(ms), usd(500), (), (), orders)

    def order(self, number: int = -1, side: Side = Side.BUY, market: str = "0xelsewhere") -> ExternalOrder:
        return ExternalOrder(number, f"0xid{number}", market, MARKET.yes, side, Price(5_000), Size(900 * SHARE))

    def test_F66_its_cash_is_reserved_it_is_shown_and_told_once(self) -> None:
        bench = Bench(knobs())
        told = bench.tell(self.seen(50, self.order(), self.order(-2, Side.SELL)), self.seen(60, self.order(), self.order(-2, Side.SELL)))
        alerts = [command.text for command in told if isinstance(command, Alert)]
        assert len(alerts) == 2 and "the desk does not list ($450)" in alerts[0]
        snapshot = bench.engine.snapshot()
        assert snapshot.money.reserved == usd(450) and [row.status for row in snapshot.orders] == ["EXTERNAL", "EXTERNAL"]
        assert any("EXTERNAL order in market 0xelsewher" in note.text for note in snapshot.notes)

    def test_F66_what_it_holds_is_there_for_no_other_order_until_it_is_gone(self) -> None:
        bench = Bench(knobs(default_order_size=50.0, max_balance_fraction_per_order=1.0))
        bench.tell(self.seen(50, self.order(), self.order(-2)), self.seen(60, self.order(), self.order(-2)))
        assert bench.engine.state.reserved == usd(900)
        assert not places(bench.tell(book(100, QUIET)) + bench.tick(700)), "more than there is is promised already"
        assert places(bench.tell(self.seen(800)) + bench.tick(900))
        assert bench.engine.state.reserved <= usd(100) and not bench.engine.state.unlisted

    def test_F66_once_its_market_is_listed_it_counts_there_and_only_there(self) -> None:
        bench = Bench(knobs(), listed=False)
        bench.tell(self.seen(50, self.order(market=MARKET.id)))
        assert bench.engine.state.reserved == usd(450)
        bench.tell(MarketListed(at(60), MARKET), self.seen(70, self.order(market=MARKET.id)))
        assert bench.engine.state.reserved == usd(450) == bench.engine.state.markets[MARKET.id].room.reserved
        assert bench.engine.state.committed == usd(450)
        bench.tell(self.seen(80))
        assert bench.engine.state.reserved == 0 == bench.engine.state.committed

    def test_F59_one_of_an_earlier_run_keeps_a_run_from_its_end(self) -> None:
        bench = Bench(knobs())
        late = ExternalOrder(-1, "0xlate", MARKET.id, MARKET.yes, Side.BUY, Price(4_000), Size(5 * SHARE), True)
        bench.tell(self.seen(50, late))
        assert any("of an earlier run, being cancelled" in note.text for note in bench.engine.snapshot().notes)
        bench.tell(Ended(at(60), "test"), self.seen(70, late))
        assert not bench.engine.state.ended_at
        bench.tell(self.seen(80))
        assert bench.engine.state.ended_at == at(80)


class TestClosedAdmission:
    """Nothing is placed while a kill is not proven, or once the run ends; not even what the operator asks for."""

    def flat(self) -> Bench:
        bench = Bench(knobs(merge_pairs=True))
        holding(bench, 30, 20)
        bench.tell(book(200, QUIET))
        for number in list(bench.engine.state.live):
            bench.tell(OrderRejected(at(210), number, "no", "other"))
        return bench

    def adds(self, commands: list[Command]) -> list[Command]:
        return [command for command in commands if isinstance(command, Place | Merge)]

    def test_a_flatten_while_killing_waits_for_the_proof(self) -> None:
        bench = self.flat()
        bench.tell(Killed(at(300), "test", "look"))
        asked = bench.tell(Flattened(at(310), "test", slippage_ticks=2))
        for step in range(30):
            asked += bench.tick(400 + 100 * step)
        assert bench.engine.state.kill.phase == "killing" and not self.adds(asked)
        bench.tell(AccountSeen(at(4_000), usd(500), ((MARKET.yes, Size(30 * SHARE)), (MARKET.no, Size(20 * SHARE))), ()))
        assert bench.engine.state.kill.phase == "killed"
        assert self.adds(bench.tell(book(4_050, QUIET)) + bench.tick(4_100) + bench.tick(5_200))

    def test_a_flatten_once_the_run_ends_comes_to_nothing(self) -> None:
        bench = self.flat()
        asked = bench.tell(Ended(at(300), "test"), Flattened(at(310), "test", slippage_ticks=2))
        for step in range(30):
            asked += bench.tick(400 + 100 * step)
        assert not self.adds(asked) and bench.engine.state.markets[MARKET.id].exiting is None


class TestExit:
    def test_pairs_are_merged_first_and_then_the_net_is_sold(self) -> None:
        bench = Bench(knobs(merge_pairs=True))
        holding(bench, 30, 20)
        sent = places(bench.tell(book(200, QUIET)))
        bench.accept(sent, 300)
        assert bench.engine.snapshot().markets[0].merges == 20 * SHARE
        asked = bench.tell(Flattened(at(400), "test"), *[OrderCancelled(at(500), p.order, Size(0)) for p in sent]) + bench.tick(700)
        assert [command for command in asked if isinstance(command, Merge)] == [Merge(MARKET.id, Size(20 * SHARE))]
        assert not places(bench.tick(900)), "nothing is sold while they are under way"
        sold = places(bench.tell(PairsMerged(at(1_000), MARKET.id, Size(20 * SHARE), usd(0.01))) + bench.tick(2_500))
        assert [(p.token, p.side, p.size, p.kind) for p in sold] == [(MARKET.yes, Side.SELL, 10 * SHARE, Kind.IOC)]
        money = bench.engine.snapshot().money
        assert (money.cash, money.realised) == (usd(520), 0)

    def test_where_they_cannot_be_merged_the_net_is_sold_all_the_same(self) -> None:
        bench = Bench(knobs(merge_pairs=True))
        holding(bench, 30, 20)
        sent = places(bench.tell(book(200, QUIET)))
        bench.tell(Flattened(at(400), "test"), *[OrderCancelled(at(500), p.order, Size(0)) for p in sent])
        bench.tick(700)
        sold = places(bench.tell(PairsMerged(at(1_000), MARKET.id, Size(0), reason="no gas")) + bench.tick(2_500))
        assert [p.size for p in sold] == [10 * SHARE]
        assert any("no gas" in note.text for note in bench.engine.snapshot().notes)

    def test_passively_it_rests_at_the_touch_and_follows_it(self) -> None:
        bench = Bench(knobs(own_orders_in_book=False))
        holding(bench, 30, 0)
        sent = places(bench.tell(book(200, QUIET)))
        gone = [OrderCancelled(at(500), p.order, Size(0)) for p in sent]
        (out,) = places(bench.tell(Flattened(at(400), "test", passive=True), *gone) + bench.tick(700))
        assert (out.token, out.side, out.price, out.size, out.kind) == (MARKET.yes, Side.SELL, 5_200, 30 * SHARE, Kind.POST_ONLY)
        bench.accept([out], 800)
        assert not cancels(bench.tick(1_700))
        moved = bench.tell(book(1_800, "45x100 46x100 | 50x100 51x100"))
        assert cancels(moved + bench.tick(2_000)) == [out.order]
        bench.tell(OrderCancelled(at(2_100), out.order, Size(0)))
        (after,) = places(bench.tick(3_500))
        assert after.price == 5_000
        bench.accept([after], 3_600)
        bench.fill(after, 30, 3_700)
        bench.tick(5_000)
        assert bench.engine.state.markets[MARKET.id].exiting is None
