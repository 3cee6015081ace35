"""Reviewers hold and shrink; they never make or hide a wish."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pmm_tui.core.market import Side
from pmm_tui.core.quoting.quote import Quote
from pmm_tui.core.risk.review import REVIEW, RiskKnobs, Standing, caps, guards, held, kill, resolution
from pmm_tui.core.units import DOLLAR, SHARE, Cash, Nanos, Price, Size
from pmm_tui.core.view import View
from tests.core.desk import MARKET


def view(equity: int = 100, bid: int = 48, ask: int = 52, closes_s: int = 0) -> View:
    market = msgspec.structs.replace(MARKET, closes=Nanos(closes_s * 10**9))
    return View(
        at=Nanos(0),
        market=market,
        tick=Price(100),
        bid=Price(bid * 100),
        bid_size=Size(SHARE),
        ask=Price(ask * 100),
        ask_size=Size(SHARE),
        sigma=0.001,
        yes=Size(0),
        no=Size(0),
        free_yes=Size(0),
        free_no=Size(0),
        cash=Cash(equity * DOLLAR),
        equity=Cash(equity * DOLLAR),
        initial=Cash(equity * DOLLAR),
    )


def wish(side: Side = Side.BUY, shares: int = 20, cents: int = 50, why: str = "") -> Quote:
    return Quote("maker", "yes", side, Price(cents * 100), Size(shares * SHARE), held=why)


def test_a_guard_holds_everything_with_its_reason() -> None:
    reviewed = guards([wish(), wish(Side.SELL)], view(), Standing(hold="crossed book"), RiskKnobs())
    assert [quote.held for quote in reviewed] == ["crossed book"] * 2


def test_the_first_reason_stays() -> None:
    assert held(wish(why="stale"), "killed").held == "stale"


def test_what_does_not_fit_the_capital_is_shrunk_then_held() -> None:
    standing = Standing(total_usd=Cash(40 * DOLLAR))
    reviewed = caps([wish(shares=80), wish(shares=80), wish(shares=80)], view(), standing, RiskKnobs())
    assert [quote.size // SHARE for quote in reviewed] == [80, 40, 80]
    assert [quote.held for quote in reviewed] == ["", "", "capital cap"]


def test_sells_need_no_capital() -> None:
    reviewed = caps([wish(Side.SELL, 500)], view(), Standing(total_usd=Cash(100 * DOLLAR)), RiskKnobs())
    assert reviewed[0].held == ""


def test_every_capital_cap_counts() -> None:
    for standing, settings in (
        (Standing(market_usd=Cash(45 * DOLLAR)), RiskKnobs(max_market_pct=50)),
        (Standing(cluster_usd=Cash(45 * DOLLAR)), RiskKnobs(max_cluster_pct=50)),
        (Standing(total_usd=Cash(45 * DOLLAR)), RiskKnobs(max_total_pct=50)),
    ):
        assert caps([wish(shares=20)], view(), standing, settings)[0].size == 10 * SHARE


def test_the_number_of_orders_is_capped() -> None:
    reviewed = caps([wish(), wish()], view(), Standing(orders=3), RiskKnobs(max_open_orders=4))
    assert [quote.held for quote in reviewed] == ["", "4 open orders"]


def test_the_end_and_a_decided_price_are_not_quoted() -> None:
    assert resolution([wish()], view(closes_s=20), Standing(), RiskKnobs(stop_before_close_s=30))[0].held == "ends in 20 s"
    assert resolution([wish()], view(closes_s=40), Standing(), RiskKnobs(stop_before_close_s=30))[0].held == ""
    assert resolution([wish()], view(bid=1, ask=2), Standing(), RiskKnobs(min_price=0.03))[0].held
    assert resolution([wish()], view(bid=98, ask=99), Standing(), RiskKnobs(min_price=0.03))[0].held


def test_a_tripped_switch_lets_nothing_pass() -> None:
    assert kill([wish()], view(), Standing(killed="killed: x"), RiskKnobs())[0].held == "killed: x"
    assert kill([wish()], view(), Standing(), RiskKnobs())[0].held == ""


wishes = st.lists(
    st.builds(wish, st.sampled_from(Side), st.integers(5, 500), st.integers(1, 99), st.sampled_from(["", "", "stale"])), max_size=8
)
standings = st.builds(
    Standing,
    hold=st.sampled_from(["", "", "crossed book"]),
    killed=st.sampled_from(["", "", "killed: x"]),
    market_usd=st.integers(0, 200 * DOLLAR),
    cluster_usd=st.integers(0, 200 * DOLLAR),
    total_usd=st.integers(0, 200 * DOLLAR),
    orders=st.integers(0, 250),
)


@given(wishes, standings)
def test_no_reviewer_makes_hides_grows_or_frees_a_wish(quotes: list[Quote], standing: Standing) -> None:
    for review in REVIEW:
        reviewed = review(quotes, view(), standing, RiskKnobs())
        assert len(reviewed) == len(quotes)
        for before, after in zip(quotes, reviewed, strict=True):
            assert (after.token, after.side, after.price) == (before.token, before.side, before.price)
            assert after.size <= before.size
            assert not before.held or after.held == before.held
        quotes = reviewed
    if standing.hold or standing.killed:
        assert all(quote.held for quote in quotes)
