"""The made-up crowd: what it trades about is a martingale, who knows earns by who does not, and nobody makes money out of nothing."""

from math import exp, log, pi, sqrt
from random import Random
from statistics import mean, stdev

import msgspec
import pytest

from pmm_tui.core.events import Change
from pmm_tui.core.market import Side
from pmm_tui.core.units import DOLLAR, MILLI, ONE, SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.floor import Placed
from pmm_tui.exchange.latent import YEAR_S, Latent, Reference, UpDown, drift
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Lasts, LevelsMoved, Order, Resolved, TradeTold
from pmm_tui.exchange.traders import INFORMED, NOISE, STEP_NS, AgentKnobs, Agents, Maker, Taker
from tests.exchange.floor_scene import MARKET

START = Nanos(1_700_000_000 * SECOND)
BUY, SELL = Side.BUY, Side.SELL


class Watched(Matching):
    """The real matching; keeps every order that was sent to it."""

    def __init__(self, chance: Random) -> None:
        super().__init__(chance)
        self.sent: list[tuple[Order, Placed, Nanos]] = []

    def place(self, order: Order, at: Nanos) -> Placed:
        placed = super().place(order, at)
        self.sent.append((order, placed, at))
        return placed


class Run:
    """An exchange and its crowd, step by step."""

    def __init__(self, seed: int, lasts_s: int = 900, knobs: AgentKnobs | None = None) -> None:
        self.matching = Watched(Random(seed))
        self.agents = Agents(self.matching, Random(seed + 1_000), START, Nanos(lasts_s * SECOND), knobs)
        self.at = START

    def step(self) -> None:
        """100 ms."""
        self.at = Nanos(self.at + STEP_NS)
        self.agents.act(self.matching, self.at)
        self.matching.advance(self.at)


# --- what is traded about ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("probability", "sigma", "jumps", "jump"), [(0.2, 0.1, 0.0, 0.0), (0.8, 0.0, 0.05, 0.9), (0.1, 0.07, 0.03, 0.7)])
def test_the_latent_probability_is_a_martingale(probability: float, sigma: float, jumps: float, jump: float) -> None:
    chance, ends = Random(11), []
    for _ in range(2_500):
        latent = Latent(chance, 0.0, sigma, jumps, jump)
        latent.logit = -_logit(1 - probability)
        for _ in range(50):
            latent.step(1.0)
        ends.append(latent.probability)
    error = stdev(ends) / sqrt(len(ends))
    assert stdev(ends) > 0.05, "it moves"
    assert abs(mean(ends) - probability) < 3 * error
    kept = Random(11)
    without = []
    for _ in range(1_000):
        logit = -_logit(1 - probability)
        for _ in range(50):
            logit += kept.gauss(0.0, sigma) + (kept.gauss(0.0, jump) if kept.random() < jumps else 0.0)
        without.append(1 / (1 + exp(-logit)))
    assert abs(mean(without) - probability) > 3 * error, "without its drift the same logit is none"


def _logit(probability: float) -> float:
    return log(probability / (1 - probability))


def test_the_drift_is_the_papers() -> None:
    assert drift(0.2, 0.02, 0.0, 0.0) == pytest.approx(-0.00012), "math M3: -0.00012 a minute at 0.02 per square root of a minute"
    assert drift(0.5, 0.3, 0.2, 0.5) == pytest.approx(0.0, abs=1e-12)
    p, jumps, jump = 0.15, 0.04, 0.6
    logit = _logit(p)
    width = jump / 400
    moved = [(i * width, exp(-((i * width / jump) ** 2) / 2) * width / jump / sqrt(2 * pi)) for i in range(-3_200, 3_201)]
    whole = sum((1 / (1 + exp(-logit - z)) - p) * weight for z, weight in moved)
    assert drift(p, 0.0, jumps, jump) == pytest.approx(-jumps * whole / (p * (1 - p)), rel=2e-3), "the integral of math M3 by small steps"


def test_up_and_down_is_priced_and_decided_by_btc() -> None:
    reference = Reference(Random(3), 100_000.0, 0.45)
    market = UpDown(reference, 120.0)
    reference.dollars = 100_050.0
    assert market.probability == pytest.approx(0.7153945835, abs=1e-9), "math M16"
    market.step(120.0)
    assert (market.probability, market.outcome()) == (1.0, True)
    reference.dollars = 99_999.0
    assert (market.probability, market.outcome()) == (0.0, False)
    reference.dollars = 100_000.0
    assert market.outcome(), "a tie is up"


def test_btc_is_a_martingale() -> None:
    chance, ends = Random(6), []
    for _ in range(4_000):
        reference = Reference(chance, 60_000.0, 1.0)
        reference.step(YEAR_S / 4)
        ends.append(reference.dollars)
    assert abs(mean(ends) - 60_000) < 3 * stdev(ends) / sqrt(len(ends)) < 2_000


def test_the_price_of_up_is_a_martingale_that_ends_in_the_result() -> None:
    chance, middles, ends = Random(5), [], []
    for _ in range(2_000):
        reference = Reference(chance, 60_000.0, 0.45)
        market = UpDown(reference, 300.0)
        for _ in range(10):
            reference.step(20.0)
            market.step(20.0)
        middles.append(market.probability)
        reference.step(100.0)
        market.step(100.0)
        ends.append(market.outcome())
        assert market.probability == ends[-1]
    assert abs(mean(middles) - 0.5) < 3 * stdev(middles) / sqrt(len(middles))
    told = [(probability, up) for probability, up in zip(middles, ends, strict=True) if probability > 0.75]
    assert abs(mean(up for _, up in told) - mean(probability for probability, _ in told)) < 0.05, "what it says is how often it happens"


# --- the crowd --------------------------------------------------------------------------------------------------------------------------


def test_nothing_is_made_or_lost_over_thousands_of_steps() -> None:
    run = Run(21, lasts_s=240)
    agents, endowed = run.agents, len(run.agents.traders) * run.agents.knobs.purse_usd * DOLLAR
    decided = 0
    for _ in range(6_000):
        market = agents.market
        run.step()
        if agents.market is not market:
            decided += 1
            assert sum(trader.earned for trader in agents.traders) == 0, "what one earned another lost, to the micro-dollar"
        for maker in agents.makers:
            maker.count()
        purses = [trader.purse for trader in agents.traders]
        yes, no = (sum(purse.shares.get(token, 0) for purse in purses) for token in (agents.market.yes, agents.market.no))
        assert yes == no, "a share of YES is minted with a share of NO"
        assert sum(purse.cash for purse in purses) + yes == endowed
        assert all(purse.cash >= 0 and min(purse.shares.values(), default=0) >= 0 for purse in purses)
    assert decided == 2
    assert all(trader.earned for trader in agents.traders), "each of them traded"


def test_no_maker_promises_more_than_it_has_nor_holds_more_than_it_may() -> None:
    run = Run(22, knobs=AgentKnobs(purse_usd=150, maker_shares_max=60, noise_per_s=3.0))
    full = 0
    for _ in range(1_500):
        run.step()
        for maker in run.agents.makers:
            orders = [order for order in run.matching.orders.values() if order.wallet == maker.name]
            maker.count()
            buys = sum(-(-order.price * order.rest // ONE) for order in orders if order.side is BUY)
            assert buys <= maker.purse.cash
            for token in (run.agents.market.yes, run.agents.market.no):
                sells = sum(order.rest for order in orders if order.side is SELL and order.token == token)
                assert sells <= maker.purse.shares.get(token, 0)
            full += abs(maker.held(run.agents.market)) >= 60 * SHARE
    assert full, "the limit was met"


def test_makers_compete_with_beliefs_purses_and_inventories_of_their_own() -> None:
    run = Run(23)
    for _ in range(3_000):
        run.step()
    makers = run.agents.makers
    assert len({maker.name for maker in makers}) == 3
    assert len({maker.believed for maker in makers}) == 3
    assert len({maker.held(run.agents.market) for maker in makers}) == 3
    best = {(order.wallet, order.token, order.side) for order in run.matching.orders.values()}
    assert {wallet for wallet, _, _ in best} == {maker.name for maker in makers}
    truth = run.agents.truth.probability
    assert all(abs(maker.believed - truth) < 0.05 for maker in makers)
    kinds = {(order.token == run.agents.market.yes, order.side) for order, placed, _ in run.matching.sent if not placed.error}
    assert len(kinds) == 4, "both tokens are bought and sold: shares that are held are sold, others' complements bought"


def test_an_order_that_is_still_wanted_keeps_its_place() -> None:
    still = AgentKnobs(logit_sigma=0.0, jumps_per_s=0.0, maker_error=0.0, noise_per_s=0.0, informed_per_s=0.0, up_down_share=0.0)
    run = Run(24, knobs=still)
    before = {order.id: order.seq for order in run.matching.orders.values()}
    for _ in range(300):
        run.step()
    assert before and {order.id: order.seq for order in run.matching.orders.values()} == before


def test_who_knows_earns_by_who_does_not_and_a_naive_maker_pays() -> None:
    """A maker that quotes around the middle of up to a minute ago: what it was sold falls, what it sold rises."""
    naive = "0xnaive"
    by: dict[str, list[float]] = {INFORMED: [], NOISE: []}
    edges: list[float] = []
    for seed in range(6):
        run = Run(30 + seed, knobs=AgentKnobs(up_down_share=0.0))
        matching, market = run.matching, run.agents.market
        matching.deposit(naive, Cash(100_000 * DOLLAR))
        for token in (market.yes, market.no):
            matching.give(naive, token, Size(100_000 * SHARE))
        truths: list[float] = []
        middle = 0
        fills: list[tuple[int, str, int, Price]] = []
        for number in range(6_000):
            if number % 600 == 0:
                middle = _middle(matching, market.id)
            if number % 50 == 0:
                _quote(matching, naive, market.id, market.yes, middle, run.at)
            run.step()
            truths.append(run.agents.truth.probability)
            for fact in matching.take():
                if not isinstance(fact, TradeTold) or fact.trade.status != "MATCHED":
                    continue
                bought = (fact.trade.side is BUY) == (fact.trade.token == market.yes)
                price = fact.trade.price if fact.trade.token == market.yes else Price(ONE - fact.trade.price)
                fills += [(number, fact.trade.wallet, -1 if bought else 1, price) for part in fact.trade.parts if part.wallet == naive]
                if fact.trade.wallet == INFORMED:
                    edges.append((truths[-1] - price / ONE) * (1 if bought else -1))
        for number, taker, sign, price in fills:
            if taker in by and number + 100 < len(truths):
                by[taker].append(sign * (truths[number + 100] - price / ONE))
    assert min(len(marks) for marks in by.values()) > 30
    assert mean(edges) > 0.005, "the informed take only what is off, as they see it"
    assert mean(by[INFORMED]) < -0.005 < mean(by[NOISE])
    assert mean(by[INFORMED] + by[NOISE]) < 0, "ten seconds after its fills the naive maker has lost"


def _middle(matching: Matching, market: str) -> int:
    bid, ask = (matching.markets[market].ladder.best(side) for side in (BUY, SELL))
    assert bid is not None and ask is not None
    return (bid + ask) // 2


def _quote(matching: Matching, wallet: str, market: str, token: str, middle: int, at: Nanos) -> None:
    """20 shares a cent either side of the middle, once more."""
    matching.cancel_where(wallet, at)
    for side, price in ((BUY, (middle - 50) // 100 * 100), (SELL, -(-(middle + 50) // 100) * 100)):
        order = Order(f"{wallet}-{at}-{side}", wallet, "key", market, token, side, Price(price), Size(20 * SHARE), Lasts.GTC, True, at)
        matching.place(order, at)


def test_the_same_seed_tells_the_same_bytes() -> None:
    told = []
    for seed in (7, 7, 8):
        run, facts = Run(seed, lasts_s=60), []
        for _ in range(1_300):
            run.step()
            facts += run.matching.take()
        told.append(msgspec.json.encode(facts))
    assert told[0] == told[1] != told[2]
    assert len(told[0]) > 100_000


def test_all_cancel_and_stop_before_a_market_closes() -> None:
    run = Run(41, lasts_s=20, knobs=AgentKnobs(quits_s=3.0))
    agents, matching, quiet = run.agents, run.matching, 0
    for _ in range(1_000):
        market = agents.market
        run.step()
        if agents.market is market and run.at >= market.closes - 3 * SECOND:
            quiet += 1
            assert not matching.markets[market.id].ladder.orders()
    assert quiet > 100
    closes = {pit.market.id: pit.market.closes for pit in matching.markets.values()}
    assert all(at < closes[order.market] - 3 * SECOND for order, _, at in matching.sent)
    assert not any(order.status == "CANCELED_MARKET_RESOLVED" for order, _, _ in matching.sent), "nobody was caught by the close"


def test_a_market_that_is_decided_early_is_left_at_once() -> None:
    run = Run(42, lasts_s=60)
    for _ in range(50):
        run.step()
    market = run.agents.market
    run.matching.resolve(market.id, Price(0), run.at)
    for maker in run.agents.makers:
        maker.count()
    worth = [trader.purse.cash + trader.purse.shares.get(market.no, 0) - 5_000 * DOLLAR for trader in run.agents.traders]
    before = len(run.matching.sent)
    for _ in range(400):
        run.step()
    assert len(run.matching.sent) == before
    for _ in range(200):
        run.step()
    assert run.agents.market is not market and len(run.matching.sent) > before
    assert [trader.earned for trader in run.agents.traders] == worth, "redeemed at the early result"
    assert any(worth)


def test_a_result_is_drawn_by_the_last_probability_or_read_from_btc() -> None:
    run = Run(43, lasts_s=4, knobs=AgentKnobs(up_down_share=0.5, quits_s=1.0, btc_sigma_per_sqrt_year=5.0, start_logit=1.0))
    won: dict[str, list[int]] = {"Yes": [], "Up": []}
    said: list[tuple[float, int]] = []
    for _ in range(6_000):
        market, truth = run.agents.market, run.agents.truth
        run.step()
        for fact in run.matching.take():
            if isinstance(fact, Resolved):
                won[market.outcomes[0]].append(up := int(fact.payout_yes == ONE))
                if isinstance(truth, UpDown):
                    assert up == truth.outcome()
                else:
                    said.append((truth.probability, up))
    assert len(won["Up"]) > 40 and 0.2 < mean(won["Up"]) < 0.8
    likely, unlikely = ([up for p, up in said if (p > 0.5) is high] for high in (True, False))
    assert min(len(likely), len(unlikely)) > 20 and mean(likely) > mean(unlikely)
    assert run.agents.btc() == run.agents.reference.price


def test_a_book_told_by_its_changes_never_crosses() -> None:
    run, two_sided = Run(44), 0
    shown: dict[tuple[Side, Price], int] = {}
    for _ in range(2_000):
        run.step()
        for fact in run.matching.take():
            changes: tuple[Change, ...] = fact.changes if isinstance(fact, LevelsMoved) else ()
            shown |= {(side, price): size for side, price, size in changes}
        bids, asks = ([price for (on, price), size in shown.items() if on is side and size] for side in (BUY, SELL))
        two_sided += bool(bids and asks)
        assert not bids or not asks or max(bids) < min(asks)
    assert two_sided > 1_000


def test_a_taker_without_shares_or_money_stays_within_its_purse() -> None:
    matching = Matching(Random(1))
    matching.list_market(MARKET, START)
    maker, taker = Maker("m", AgentKnobs(maker_half_spread=0.01), 1.0), Taker("t")
    for one, dollars in ((maker, 1_000), (taker, 3)):
        matching.unlimited(one.name)
        one.begin(dollars)
    maker.look(matching, MARKET, Random(2), 0.5, START)
    taker.take(matching, MARKET, SELL, Price(4_000), 100 * SHARE, Nanos(START + MILLI))
    held = taker.purse.shares
    assert set(held) == {MARKET.no}, "a sale without shares is a buy of the complement"
    assert 0 <= taker.purse.cash < 1.5 * DOLLAR and 0 < held[MARKET.no] < 100 * SHARE
    taker.take(matching, MARKET, BUY, Price(6_000), 2 * SHARE, Nanos(START + 2 * MILLI))
    assert taker.purse.shares == {MARKET.no: held[MARKET.no]}, "a pair becomes a dollar"
