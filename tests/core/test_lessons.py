"""What the simulation taught, each as the shortest story that shows it. The seeds that found them are in tests/simulate/cases.py."""

from pmm_tui.core.commands import Place, Sync
from pmm_tui.core.events import (
    AccountSeen,
    FillSettled,
    MarketResolved,
    OrderAccepted,
    OrderFilled,
    OrderSeen,
    OrderUncertain,
    TickSizeChanged,
)
from pmm_tui.core.instructions import Flattened, Paused
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.orders.life import Order
from pmm_tui.core.portfolio import Portfolio
from pmm_tui.core.units import DOLLAR, ONE, SHARE, Cash, Price, Size
from tests.core.desk import MARKET, Bench, at, book, cancels, knobs, places

CASH = Cash(500 * DOLLAR)


def quoting(**changes: float | int | bool | str) -> tuple[Bench, list[Place]]:
    """A desk with its first orders, accepted."""
    bench = Bench(knobs(**changes))
    sent = places(bench.tell(book(100, "47x100 48x100 | 52x100 53x100")))
    bench.accept(sent, 200)
    return bench, sent


class TestUncertain:
    def test_an_order_found_resting_in_a_paused_market_is_cancelled(self) -> None:
        bench = Bench()
        sent = places(bench.tell(book(100, "47x100 48x100 | 52x100 53x100")))
        bench.tell(OrderUncertain(at(200), sent[0].order, "silence"), Paused(at(300), "test"))
        bench.tick(400)
        seen = (OrderSeen(sent[0].order, "open", Size(0)), OrderSeen(sent[1].order, "done", Size(0)))
        asked = bench.tell(AccountSeen(at(450), CASH, (), seen)) + bench.tick(600)
        assert cancels(asked) == [sent[0].order]

    def test_so_is_one_whose_acceptance_came_late(self) -> None:
        bench = Bench()
        sent = places(bench.tell(book(100, "47x100 48x100 | 52x100 53x100")))
        bench.tell(OrderUncertain(at(200), sent[0].order, "silence"), Paused(at(300), "test"))
        bench.tick(400)
        assert sent[0].order in cancels(bench.tell(OrderAccepted(at(450), sent[0].order)) + bench.tick(600))


class TestAccount:
    def test_every_question_is_about_all_that_lives_or_is_not_settled(self) -> None:
        bench, sent = quoting()
        bench.fill(sent[0], sent[0].size / SHARE, 300)
        commands = bench.tell(OrderUncertain(at(400), sent[1].order, "silence")) + bench.tick(20_000)
        asked = [command.orders for command in commands if isinstance(command, Sync)]
        assert len(asked) >= 2 and all(sent[0].order in orders for orders in asked), "its fill can still fail, which the account would show"

    def test_one_answer_told_twice_is_one_miss(self) -> None:
        bench, _ = quoting()
        wrong = AccountSeen(at(1_000), Cash(499 * DOLLAR), (), ())
        bench.tell(wrong, wrong, AccountSeen(at(1_500), Cash(499 * DOLLAR), (), ()))
        assert bench.engine.state.account_misses == 1 and not bench.engine.state.kill.stopped


class TestCaps:
    def test_orders_being_cancelled_count_among_the_open_ones(self) -> None:
        bench, sent = quoting(max_open_orders=2)
        commands = bench.tell(book(1_000, "45x100 46x100 | 50x100 51x100"))
        assert cancels(commands) == [place.order for place in sent] and not places(commands)
        assert len(bench.engine.state.live) == 2


class TestFlatten:
    def test_it_sells_on_the_grid_though_the_best_bid_is_off_it(self) -> None:
        bench, sent = quoting()
        buy = next(place for place in sent if place.token == MARKET.yes and place.side is Side.BUY)
        bench.fill(buy, 25, 300)
        bench.tell(FillSettled(at(310), "t1", buy.order, True))
        bench.tell(TickSizeChanged(at(320), MARKET.id, at(320), Price(10)), book(330, "48.1x100 48.7x100 | 52x100 53x100"))
        bench.tell(TickSizeChanged(at(340), MARKET.id, at(340), Price(100)), Flattened(at(350), "test", slippage_ticks=1))
        bench.tick(400)
        for order in list(bench.engine.state.live):
            bench.tell(AccountSeen(at(6_000), bench.engine.state.portfolio.cash, (), (OrderSeen(order, "absent", Size(0)),)))
        (leaving,) = [place for place in places(bench.tick(7_500)) if place.kind is Kind.IOC]
        assert leaving.price == 4_700


def bought(portfolio: Portfolio, order: int, price: int, shares: int) -> None:
    side = Order(order, "m", "yes", Side.BUY, Price(price), Size(shares * SHARE), Kind.POST_ONLY, "maker", 0, at(0))
    portfolio.book(side, OrderFilled(at(order), order, f"t{order}", Price(price), Size(shares * SHARE)), None)


def balanced(portfolio: Portfolio) -> bool:
    cost = sum(held.cost for held in portfolio.holdings.values())
    return portfolio.cash + cost + portfolio.fees + portfolio.adverse == portfolio.initial + portfolio.realised


class TestFailedFills:
    def test_a_fill_that_failed_before_the_result_takes_its_payout_back(self) -> None:
        bench, sent = quoting()
        buy = next(place for place in sent if place.token == MARKET.yes and place.side is Side.BUY)
        bench.fill(buy, 25, 300)
        bench.tell(MarketResolved(at(400), MARKET.id, ONE))
        portfolio = bench.engine.state.portfolio
        assert portfolio.cash > CASH
        bench.tell(FillSettled(at(500), "t1", buy.order, False))
        assert (portfolio.cash, portfolio.realised, portfolio.realised_in[MARKET.id]) == (CASH, 0, 0)
        assert not portfolio.shares(MARKET.yes) and balanced(portfolio)

    def test_a_fill_confirmed_after_the_result_changes_nothing(self) -> None:
        bench, sent = quoting()
        buy = next(place for place in sent if place.token == MARKET.yes and place.side is Side.BUY)
        bench.fill(buy, 25, 300)
        bench.tell(MarketResolved(at(400), MARKET.id, ONE))
        portfolio = bench.engine.state.portfolio
        paid = portfolio.cash
        bench.tell(FillSettled(at(500), "t1", buy.order, True))
        assert portfolio.cash == paid and balanced(portfolio) and not portfolio.holdings.get(MARKET.yes)

    def test_shares_that_are_gone_cost_nothing(self) -> None:
        portfolio = Portfolio(CASH)
        bought(portfolio, 1, 6_000, 10)
        bought(portfolio, 2, 4_000, 10)
        portfolio.settle_fill(FillSettled(at(3), "t2", 2, True))
        sell = Order(3, "m", "yes", Side.SELL, Price(5_000), Size(10 * SHARE), Kind.POST_ONLY, "maker", 0, at(3))
        portfolio.book(sell, OrderFilled(at(3), 3, "t3", Price(5_000), Size(10 * SHARE)), None)
        assert portfolio.realised == 0, "at the average of 0.50"
        portfolio.settle_fill(FillSettled(at(4), "t1", 1, False))
        held = portfolio.holding("yes")
        assert (held.shares, held.cost, portfolio.realised) == (0, 0, 1 * DOLLAR), "bought at 0.40, sold at 0.50"
        assert balanced(portfolio)
