"""The reference price: M16's numbers, what is fresh, what is an outlier, and which markets need one."""

import math

import pytest
from msgspec import structs

from pmm_tui.core.events import LinkDown, LinkUp, MarketListed, ReferenceMoved
from pmm_tui.core.market import Market
from pmm_tui.core.signals.reference import UNKNOWN, Reference, ReferenceKnobs, clip, median, symbol_of, symbols_of, told
from pmm_tui.core.units import Cash, Nanos
from tests.core.desk import MARKET, Bench, at, book, cancels, knobs, places

KNOBS = ReferenceKnobs(reference_markets=("btc-updown-*",))
BTC = structs.replace(MARKET, slug="btc-updown-15m-1790000000")
M16 = [100_050, 100_052, 100_047, 100_049.5, 99_400]


def usd(*prices: float) -> list[Cash]:
    return [Cash(round(price * 1_000_000)) for price in prices]


def heard(*words: tuple[str, float, int]) -> Reference:
    """A reference that each source told a price of at a time (milliseconds), which is the source's own time too."""
    reference = Reference()
    for source, price, ms in words:
        reference.hear(source, usd(price)[0], at(ms), at(ms))
    return reference


def test_the_median_and_what_is_dropped_are_those_of_m16() -> None:
    prices = usd(*M16)
    assert median(prices) == 100_049_500_000
    assert [price for price, kept in zip(prices, clip(prices), strict=True) if kept] == usd(100_050, 100_052, 100_047, 100_049.5)
    words = [(f"venue {number}", price, 0) for number, price in enumerate(M16)]
    judgement = heard(*words).judge(at(0), KNOBS)
    assert (judgement.price, judgement.why) == (100_049_750_000, "")
    assert [source.stands for source in judgement.sources] == ["used"] * 4 + ["outlier"]
    assert judgement.apart_bps == pytest.approx(5 / 100_049.75 * 1e4)


def test_nothing_within_a_basis_point_is_an_outlier() -> None:
    assert clip(usd(100_000, 100_000, 100_000, 100_009)) == [True] * 4
    assert clip(usd(100_000, 100_000, 100_000, 100_011)) == [True, True, True, False]
    assert clip([]) == []


def test_three_sources_outvote_one_that_is_off_and_two_do_not() -> None:
    three = heard(("a", 60_000, 0), ("b", 60_420, 0), ("c", 60_003, 0)).judge(at(0), KNOBS)
    assert (three.price, three.why) == (60_001_500_000, "")
    assert [source.stands for source in three.sources] == ["used", "outlier", "used"]
    two = heard(("a", 60_000, 0), ("b", 60_420, 0)).judge(at(0), KNOBS)
    assert (two.price, two.why) == (None, "reference: sources over 30 bps apart")
    assert told(two, KNOBS) == "reference: 70 bps apart, a 60000.00, b 60420.00"


def test_an_old_source_is_not_counted_and_the_text_says_which_and_how_old() -> None:
    reference = heard(("binance", 60_000, 9_000), ("chainlink", 60_001, 3_000))
    judgement = reference.judge(at(10_200), KNOBS)
    assert (judgement.price, judgement.why) == (None, "reference: 1 of 2 fresh, 2 are needed")
    assert told(judgement, KNOBS) == "reference: 1 of 2 fresh, chainlink 7.2 s old"
    assert told(reference.judge(at(8_000), KNOBS), KNOBS) == "reference: 1 of 2 fresh, chainlink 6.0 s old"  # behind the other's own time
    one = structs.replace(KNOBS, reference_sources_min=1)
    assert reference.judge(at(10_200), one).price == 60_000_000_000
    assert Reference().judge(at(0), KNOBS).why == "reference: 0 of 0 fresh, 2 are needed"
    assert math.isnan(Reference().judge(at(0), KNOBS).apart_bps)


def test_outliers_that_leave_too_few_are_named() -> None:
    strict = structs.replace(KNOBS, reference_sources_min=3)
    judgement = heard(("a", 60_000, 0), ("b", 60_420, 0), ("c", 60_003, 0)).judge(at(0), strict)
    assert judgement.why == "reference: 2 of 3 fresh and agreeing, 3 are needed"
    assert told(judgement, strict) == "reference: 2 of 3 fresh, b an outlier"
    assert told(judgement, KNOBS).startswith("reference: ")
    assert told(heard(("a", 1, 0), ("b", 1, 0)).judge(at(0), KNOBS), KNOBS) == ""


def test_a_source_that_repeats_itself_or_goes_back_tells_nothing() -> None:
    reference = Reference()
    assert reference.hear("a", Cash(1), at(100), at(150))
    assert not reference.hear("a", Cash(2), at(100), at(9_000))
    assert not reference.hear("a", Cash(3), at(50), at(9_000))
    assert (reference.words["a"].price, reference.words["a"].heard_at) == (1, at(150))


@pytest.mark.parametrize(
    ("slug", "names", "symbol"),
    [
        ("btc-updown-15m-1790000000", ("btc-updown-*",), "btc/usd"),
        ("bitcoin-up-or-down-november-21-3pm-et", ("btc-updown-*", "bitcoin-*"), "btc/usd"),
        ("eth-updown-5m-1790000000", ("btc-updown-*", "eth-updown-*"), "eth/usd"),
        ("eth-updown-5m-1790000000", ("btc-updown-*",), ""),
        ("will-btc-hit-100k", ("will-btc-hit-100k",), "btc/usd"),
        ("will-it-rain", ("*",), UNKNOWN),
        ("btc-updown-15m-1790000000", (), ""),
    ],
)
def test_a_market_needs_the_price_of_the_coin_in_its_slug(slug: str, names: tuple[str, ...], symbol: str) -> None:
    assert symbol_of(structs.replace(MARKET, slug=slug), ReferenceKnobs(reference_markets=names)) == symbol


def test_only_the_symbols_that_are_needed_are_listened_for() -> None:
    assert symbols_of(ReferenceKnobs(reference_markets=("btc-updown-*", "bitcoin-up-or-down-*"))) == ("btc/usd",)
    assert symbols_of(ReferenceKnobs(reference_markets=("eth-*", "up-*"))) == ("btc/usd", "eth/usd", "sol/usd", "xrp/usd")


# --- the desk -----------------------------------------------------------------------------------------------------------------------------

QUIET = "47x50 48x100 | 52x100 53x50"


def guarded(market: Market = BTC) -> Bench:
    return Bench(structs.replace(knobs(complement_routing=True), reference=KNOBS), market)


def moved(ms: int, source: str, price: float) -> ReferenceMoved:
    return ReferenceMoved(at(ms), source, "btc/usd", usd(price)[0], at(ms))


def both(ms: int, price: float = 60_000.0) -> tuple[ReferenceMoved, ReferenceMoved]:
    return moved(ms, "binance", price), moved(ms, "chainlink", price)


def test_F19_a_market_waits_for_two_sources_and_stops_when_one_of_them_is_old() -> None:
    bench = guarded()
    assert not places(bench.tell(book(100, QUIET)))
    assert bench.engine.snapshot().markets[0].why == "reference: 0 of 0 fresh"
    assert not places(bench.tell(moved(200, "binance", 60_000)) + bench.tick(500))
    sent = places(bench.tell(moved(550, "chainlink", 60_000)) + bench.tick(700))
    assert len(sent) == 2 and bench.engine.snapshot().markets[0].why == ""
    bench.accept(sent, 750)
    bench.tell(moved(5_000, "binance", 60_010), book(5_100, QUIET))
    assert not cancels(bench.tick(5_500))
    assert len(cancels(bench.tick(5_700))) == 2
    row = bench.engine.snapshot().markets[0]
    assert (row.state, row.why) == ("held", "reference: 1 of 2 fresh, chainlink 5.2 s old")
    assert all(quote.held == "reference: 1 of 2 fresh, 2 are needed" for quote in row.quotes) and row.quotes
    (guard,) = [row for row in bench.engine.snapshot().risk if row.name == "ref btc/usd"]
    assert (guard.now, guard.limit, guard.holding, guard.used) == ("1/2, 0bp", "2, 30bp", True, 0.0)
    (reference,) = bench.engine.snapshot().references
    assert [(one.name, one.age_ms, one.stands) for one in reference.sources] == [("binance", 700, "used"), ("chainlink", 5_150, "stale")]
    assert reference.price is None and reference.why.endswith("chainlink 5.2 s old")


def test_F19_sources_that_disagree_stop_it_at_the_next_tick_and_agreeing_again_lets_it_go_on() -> None:
    bench = guarded()
    bench.accept(bench.tell(book(100, QUIET), *both(200)) + bench.tick(400), 450)
    bench.tell(moved(1_000, "binance", 60_420))
    assert len(cancels(bench.tick(1_100))) == 2
    assert bench.engine.state.markets[BTC.id].hold == "reference: sources over 30 bps apart"
    bench.tell(moved(2_000, "binance", 60_001))
    bench.tick(2_200)
    assert bench.engine.state.markets[BTC.id].hold == ""


def test_a_lost_link_of_references_alone_holds_nothing() -> None:
    bench = guarded()
    bench.tell(book(100, QUIET), *both(200), LinkUp(at(210), "reference"))
    sent = places(bench.asked + bench.tick(300))
    bench.accept(sent, 350)
    assert not cancels(bench.tell(LinkDown(at(400), "reference", "gone")) + bench.tick(2_000))
    assert cancels(bench.tell(LinkDown(at(2_050), "market", "gone")) + bench.tick(2_200))


def test_other_markets_need_no_reference_and_a_market_listed_anew_may_need_one() -> None:
    bench = guarded(MARKET)
    assert len(places(bench.tell(book(100, QUIET)) + bench.tick(300))) == 2
    assert bench.engine.snapshot().references == () and not [row for row in bench.engine.snapshot().risk if row.name.startswith("ref")]
    bench.tell(MarketListed(at(400), BTC))
    bench.tick(600)
    assert bench.engine.state.markets[MARKET.id].hold.startswith("reference: 0 of 0 fresh")


def test_the_digest_knows_the_references() -> None:
    benches = guarded(), guarded()
    for bench, price in zip(benches, (60_000.0, 60_000.01), strict=True):
        bench.tell(*both(100, price))
    assert benches[0].engine.digest() != benches[1].engine.digest()
    assert Nanos(0) < benches[0].engine.state.references["btc/usd"].words["binance"].ts
