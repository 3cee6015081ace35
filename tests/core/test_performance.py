"""A run's summary: every number worked out by hand, and the money adding up."""

import msgspec
import pytest

from pmm_tui.core.events import AccountSeen, LinkUp, MarketResolved, OrderFilled, OrderRejected, Ticked
from pmm_tui.core.instructions import Killed
from pmm_tui.core.units import SHARE, Cash, Nanos, Price, Size
from pmm_tui.study.performance import Summary, report, summarise
from tests.core.desk import MARKET, Bench, at, book, knobs, places


def traded() -> Bench:
    """A bid of 25 at 47 cents is filled for 10 shares with the mid at 50; the mid goes to 60 and the market pays YES a dollar."""
    bench = Bench(knobs(default_order_size=25.0))
    bench.tell(LinkUp(at(0), "market"))
    asked = places(bench.tell(book(1_000, "48x500 | 52x500")) + bench.tick(1_100))
    bid, other = asked
    bench.tell(OrderRejected(at(1_120), other.order, "would cross", "post_only"))
    bench.accept([bid], 1_150)
    bench.tick(1_250)
    fee, adverse = Cash(1_000), Cash(2_000)
    bench.tell(OrderFilled(at(1_300), bid.order, "t1", Price(4_700), Size(10 * SHARE), fee, True, adverse))
    bench.tell(book(1_400, "58x500 | 62x500"))
    bench.tick(3_000)
    return bench


def test_of_nothing_everything_is_nothing() -> None:
    summary = summarise(Bench(listed=False).engine.state)
    assert (summary.fills, summary.fill_rate, summary.fills_an_hour, summary.maker_share, summary.quoting_share) == (0, 0.0, 0.0, 0.0, 0.0)
    assert (summary.equity, summary.profit, summary.drift, summary.phase) == (500_000_000, 0, 0, "ok")
    assert "rejects        none" in report("run", summary)


def test_the_profit_is_split_into_where_it_came_from() -> None:
    summary = summarise(traded().engine.state)
    assert summary.fills == 1 and summary.maker_share == 1.0
    assert summary.captured == 10 * 30_000, "three cents below the mid at the fill"
    assert (summary.fees, summary.adverse) == (1_000, 2_000)
    assert summary.profit == 10 * (600_000 - 470_000) - 3_000
    assert summary.drift == 10 * 100_000, "from 50 to 60 cents"
    assert summary.profit == summary.captured + summary.drift - summary.fees - summary.adverse
    assert summary.equity == 500_000_000 + summary.profit
    assert summary.rejects == {"post_only": 1}


def test_a_result_ends_the_drift_at_the_payout() -> None:
    bench = traded()
    bench.tell(MarketResolved(at(3_100), MARKET.id, Price(10_000)))
    bench.tick(3_500)
    summary = summarise(bench.engine.state)
    assert summary.profit == 10 * (1_000_000 - 470_000) - 3_000
    assert summary.drift == 10 * 500_000
    (market,) = summary.markets
    assert (market.slug, market.fills, market.payout_yes, market.yes, market.no) == ("test-market", 1, 10_000, 0, 0)
    assert market.realised == 10 * 530_000


def test_times_and_rates() -> None:
    bench = traded()
    summary = summarise(bench.engine.state)
    assert (summary.began, summary.ended) == (at(0), at(3_000))
    assert summary.fills_an_hour == pytest.approx(1_200.0)
    assert summary.orders == bench.engine.state.orders_sent
    assert summary.fill_rate == pytest.approx(1 / summary.orders)
    assert 0.0 < summary.quoting_share < 1.0


def test_a_loss_is_a_drawdown_and_a_kill_says_why() -> None:
    bench = traded()
    bench.tell(book(3_100, "18x500 | 22x500"))
    bench.tick(3_500)
    summary = summarise(bench.engine.state)
    assert summary.max_drawdown == 10 * 400_000, "from the peak, with the mid at 60, to 20"
    assert summary.drawdown_pct == pytest.approx(100 * 4.0 / 501.297)
    bench.tell(Killed(at(3_600), "operator", "enough"), AccountSeen(at(3_700), bench.engine.state.portfolio.cash, (), ()))
    summary = summarise(bench.engine.state)
    assert summary.phase in ("killing", "killed") and summary.why == "operator: enough"
    assert "operator: enough" in report("run", summary)


def test_the_page_has_every_number_and_the_json_is_the_same() -> None:
    summary = summarise(traded().engine.state)
    page = report("demo-1", summary)
    for text in ("demo-1", "fills          1 (1,200.0 an hour, 100 % maker)", "equity         $501.30 of $500.00", "post_only 1"):
        assert text in page
    lines = {line.split()[0]: line.split()[1] for line in page.splitlines() if line.startswith((" ", "PnL"))}
    assert lines == {"PnL": "+1.30", "spread": "+0.30", "drift": "+1.00", "fees": "-0.00", "adverse": "-0.00"}
    assert page.splitlines()[-1].split() == ["test-market", "1", "+0.00", "10", "yes,", "0", "no"]
    assert msgspec.json.decode(msgspec.json.encode(summary), type=Summary) == summary


def test_a_desk_that_cannot_price_its_shares_keeps_its_last_equity() -> None:
    bench = traded()
    before = summarise(bench.engine.state).equity
    bench.engine.state.markets[MARKET.id].seen_at = Nanos(0)
    assert bench.engine.state.equity() is None
    bench.tell(Ticked(at(3_100)))
    assert summarise(bench.engine.state).equity == before
