"""Gamma objects as facts (every recorded one, and each field broken), and the discovery feed over a real loopback server."""

import asyncio
import gzip
import json
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pmm_tui.core.events import Event, LinkDown, LinkUp, MarketClosed, MarketListed, MarketResolved
from pmm_tui.core.market import Fees
from pmm_tui.core.selection import TargetingKnobs
from pmm_tui.core.units import ONE, SECOND, Nanos, Price
from pmm_tui.feeds.discovery import GammaFeed, GammaKnobs, query_of, remember, series_slugs
from pmm_tui.feeds.fetch import Patience, retry_after_s
from pmm_tui.feeds.gamma import candidate_of, market_of, payout_of
from tests.feeds.loopback import PATIENCE_S, Loopback, LoopMarket, running

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
REFUSALS = {"orderPriceMinTickSize: missing", "feeSchedule: missing", "missing required field `outcomes`"}
NOW = Nanos(1_780_000_000 * SECOND)


def said(**over: Any) -> dict[str, Any]:
    return LoopMarket(1).gamma() | over


def recorded_objects() -> Iterator[tuple[str, dict[str, Any]]]:
    folder = DATA / "messages"
    if not folder.is_dir():
        pytest.skip(f"recordings not here: {folder}")

    def walk(name: str, node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(node, dict):
            if "conditionId" in node and "question" in node:
                yield name, node
            for child in node.values():
                yield from walk(name, child)
        elif isinstance(node, list):
            for child in node:
                yield from walk(name, child)

    for path in sorted(folder.glob("polymarket*/**/*.json")):
        yield from walk(path.name, json.loads(path.read_bytes()))


class TestMarketOf:
    def test_the_terms_of_an_object(self) -> None:
        market = market_of(said())
        assert (market.slug, market.tick, market.min_size) == ("market-1", 100, 5_000_000)
        assert market.outcomes == ("Yes", "No") and len(market.yes) == 21 and market.yes != market.no
        assert market.closes == 1_893_456_000 * SECOND
        assert market.fees == Fees(rate=0.04, exponent=1.0, rebate_share=0.25)
        assert (market.rewards.max_spread_cents, market.rewards.min_size) == (4.5, 50_000_000)

    def test_every_recorded_object_parses_or_is_refused_for_a_stated_reason(self) -> None:
        parsed, refused = 0, 0
        for name, object_ in recorded_objects():
            try:
                market = market_of(object_)
                payout_of(object_)
            except ValueError as wrong:
                refused += 1
                assert any(reason in str(wrong) for reason in REFUSALS), f"{name}: {wrong}"
            else:
                parsed += 1
                assert market.slug == object_["slug"] and market.id == object_["conditionId"]
                assert [market.yes, market.no] == json.loads(object_["clobTokenIds"])
        assert (parsed, refused) == (7, 10)

    def test_the_recorded_day_of_five_minute_markets(self) -> None:
        path = DATA / "btc-5m-markets" / "BTC-5m-markets-2026-06-08.jsonl.gz"
        if not path.is_file():
            pytest.skip(f"recordings not here: {path}")
        payouts: list[Price | None] = []
        with gzip.open(path, "rt") as file:
            for line in file:
                row = json.loads(line)
                market = market_of(row["raw"])
                assert [market.yes, market.no] == row["token_ids"] and market.id == row["condition_id"]
                assert market.opens == row["start_sec"] * SECOND and market.closes == row["end_sec"] * SECOND
                assert market.cluster == "BTC" and market.fees == Fees(0.07, 1.0, 0.2) and market.outcomes == ("Up", "Down")
                payouts.append(payout_of(row["raw"]))
                assert payouts[-1] == int(row["outcome_prices"][0]) * ONE
        assert len(payouts) == 292 and set(payouts) == {0, ONE}

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("conditionId", "0x12"),
            ("conditionId", 7),
            ("clobTokenIds", '["1", "1"]'),
            ("clobTokenIds", '["1"]'),
            ("clobTokenIds", '["1", "٣"]'),
            ("clobTokenIds", "[1, 2]"),
            ("clobTokenIds", "not json"),
            ("clobTokenIds", "[" * 100_000),
            ("outcomes", '["Yes", "Yes"]'),
            ("outcomes", '["Long", "Short", "Flat"]'),
            ("orderPriceMinTickSize", 0.02),
            ("orderPriceMinTickSize", None),
            ("orderPriceMinTickSize", -0.01),
            ("orderMinSize", "5"),
            ("orderMinSize", math.inf),
            ("orderMinSize", math.nan),
            ("endDate", "tomorrow"),
            ("endDate", "2030-01-01T00:00:00"),
            ("feeSchedule", None),
            ("feeSchedule", {"rate": 7, "exponent": 1}),
            ("rewardsMaxSpread", -1),
            ("enableOrderBook", False),
            ("closed", "true"),
        ],
    )
    def test_an_odd_field_is_refused_by_name(self, field: str, value: Any) -> None:
        with pytest.raises(ValueError, match=field):
            market_of(said(**{field: value}))

    def test_F14_titles_written_by_strangers_lose_what_a_terminal_would_obey(self) -> None:
        market = market_of(said(question="Will \x1b]0;owned\x07 it‮ rain\n?", outcomes='["Y\\u001b[2Jes", "No"]'))
        assert market.question == "Will ]0;owned it rain?" and market.outcomes == ("Y[2Jes", "No")

    def test_markets_of_one_event_are_one_cluster(self) -> None:
        assert market_of(said(events=[{"slug": "election-2028"}])).cluster == "election-2028"
        assert market_of(said(negRiskMarketID="0xabc")).cluster == "0xabc"
        assert market_of(said(slug="eth-updown-15m-1780000000")).cluster == "ETH"


class TestPayoutOf:
    @pytest.mark.parametrize(
        ("over", "payout"),
        [
            ({"closed": True, "outcomePrices": '["1", "0"]'}, ONE),
            ({"closed": True, "outcomePrices": '["0", "1"]', "umaResolutionStatus": "resolved"}, 0),
            ({"closed": True, "outcomePrices": '["0.5", "0.5"]', "umaResolutionStatus": "resolved"}, ONE // 2),
            ({"closed": True, "outcomePrices": '["0.5", "0.5"]'}, None),
            ({"closed": False, "outcomePrices": '["1", "0"]'}, None),
            ({"closed": True, "outcomePrices": '["0", "0"]'}, None),
            ({"closed": True, "outcomePrices": '["1", "1"]'}, None),
            ({"closed": True, "outcomePrices": '["0.9995", "0.0005"]'}, None),
            ({"closed": True, "outcomePrices": '["0.5843311669077", "0.4156688330922"]'}, None),
            ({"closed": True, "outcomePrices": '["1", "0"]', "umaResolutionStatus": "disputed"}, None),
            ({"closed": True, "outcomePrices": '["1", "0"]', "umaResolutionStatus": "proposed"}, None),
            ({"closed": True, "outcomePrices": None}, None),
        ],
    )
    def test_F76_only_a_certain_result_pays(self, over: dict[str, Any], payout: int | None) -> None:
        assert payout_of(said(**over)) == payout


def test_a_candidate_carries_what_targeting_asks() -> None:
    one = candidate_of(said(gameStartTime="2026-05-08 20:00:00+00"))
    assert (one.volume_24h_usd, one.bid, one.ask, one.accepting) == (250000.5, 4800, 5000, True)
    assert one.starts == 1_778_270_400 * SECOND
    empty = candidate_of(said(bestBid=None, bestAsk=None, volume24hr=None, acceptingOrders=False))
    assert (empty.bid, empty.ask, empty.accepting) == (0, ONE, False) and math.isnan(empty.volume_24h_usd)


class TestSeries:
    def test_the_running_window_and_the_next_one_near_its_start(self) -> None:
        at = Nanos(1_780_000_500 * SECOND)
        assert series_slugs("btc-updown-15m-*", at, 60) == ("btc-updown-15m-1780000200",)
        late = Nanos(1_780_001_045 * SECOND)
        assert series_slugs("btc-updown-15m-*", late, 60) == ("btc-updown-15m-1780000200", "btc-updown-15m-1780001100")
        assert series_slugs("btc-updown-4h-*", at, 0) == ("btc-updown-4h-1779998400",)

    @pytest.mark.parametrize("pattern", ["btc-*", "btc-updown-15x-*", "btc-updown-0m-*", "*"])
    def test_a_series_names_its_length(self, pattern: str) -> None:
        with pytest.raises(ValueError, match="length"):
            series_slugs(pattern, NOW, 0)

    def test_a_name_says_which_filter_finds_it(self) -> None:
        assert query_of("0x" + "a" * 64)[0] == "condition_ids"
        assert query_of("7" * 77)[0] == "clob_token_ids"
        assert query_of("will-it-rain")[0] == "slug"


class TestPatience:
    def test_waits_double_to_the_cap_within_their_upper_half(self) -> None:
        patience = Patience(1.0, 8.0, Random(7))
        waits = [patience.next() for _ in range(8)]
        for wait, ceiling in zip(waits, (1, 2, 4, 8, 8, 8, 8, 8), strict=True):
            assert ceiling / 2 <= wait <= ceiling
        assert len(set(waits)) == len(waits), "jittered"
        patience.reset()
        assert patience.next() <= 1.0
        assert patience.next(least_s=30.0) == 30.0

    def test_retry_after_as_seconds_or_date_within_bounds(self) -> None:
        assert retry_after_s("7", 0.0) == 7.0
        assert retry_after_s("999999999999", 0.0) == 300.0
        assert retry_after_s("Fri, 01 May 2026 00:00:10 GMT", 1_777_593_600.0) == 10.0
        assert [retry_after_s(text, 0.0) for text in (None, "", "soon", "٣", "-5")] == [0.0] * 5


# --- the feed over real sockets -----------------------------------------------------------------------------------------------------------

FAST = GammaKnobs(gamma_poll_s=0.01, gamma_discovery_s=0.01, gamma_backoff_first_s=0.01, gamma_backoff_max_s=0.02, gamma_timeout_s=5.0)


class Listener:
    """Reads a feed one fact at a time."""

    def __init__(self, feed: GammaFeed) -> None:
        self.feed = feed
        self._facts = feed.events()

    async def next(self) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            return await anext(self._facts)

    async def take(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]


@asynccontextmanager
async def listening(
    loopback: Loopback,
    *names: str,
    knobs: GammaKnobs = FAST,
    targeting: TargetingKnobs | None = None,
    now: list[int] | None = None,
    tape: Any = None,
) -> AsyncIterator[Listener]:
    clock = now or [NOW]
    feed = GammaFeed(knobs, targeting or TargetingKnobs(), names, loopback.http_url, lambda: Nanos(clock[0]), Random(1), tape)
    listener = Listener(feed)
    try:
        yield listener
    finally:
        await feed.close()
        await listener._facts.aclose()  # type: ignore[attr-defined]  # an async generator


async def test_a_named_market_is_listed_closed_and_resolved_each_once() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, "market-1") as feed:
        up, listed = await feed.take(2)
        assert isinstance(up, LinkUp) and up.link == "gamma"
        assert isinstance(listed, MarketListed) and listed.market == market_of(market.gamma()) and listed.at == NOW
        market.said = {"acceptingOrders": False}
        assert await feed.next() == MarketClosed(at=NOW, market=market.id)
        market.said = {"acceptingOrders": False, "closed": True, "outcomePrices": '["0.998", "0.002"]'}
        reads = len(loopback.requests)
        waiting = asyncio.ensure_future(feed.next())
        await loopback.until(lambda: len(loopback.requests) > reads + 4)
        assert not waiting.done(), "closed twice, or paid at a price that is no result"
        market.said |= {"outcomePrices": '["0", "1"]'}
        assert await waiting == MarketResolved(at=NOW, market=market.id, payout_yes=Price(0))


async def test_a_market_is_found_by_condition_id_and_by_token_id_and_listed_once() -> None:
    first, second = LoopMarket(1), LoopMarket(2)
    async with running(first, second) as loopback, listening(loopback, first.id, first.no, second.no) as feed:
        _, one, two = await feed.take(3)
        assert isinstance(one, MarketListed) and isinstance(two, MarketListed)
        assert {one.market.id, two.market.id} == {first.id, second.id}


async def test_a_changed_term_lists_the_market_again() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market.slug) as feed:
        await feed.take(2)
        market.said = {"orderPriceMinTickSize": 0.001}
        again = await feed.next()
        assert isinstance(again, MarketListed) and again.market.tick == 10


async def test_a_market_that_is_over_before_the_desk_starts_is_told_whole() -> None:
    market = LoopMarket(1)
    market.said = {"closed": True, "acceptingOrders": False, "outcomePrices": '["1", "0"]'}
    async with running(market) as loopback, listening(loopback, market.slug) as feed:
        assert [type(fact) for fact in await feed.take(4)] == [LinkUp, MarketListed, MarketClosed, MarketResolved]


async def test_discovery_pages_through_and_keeps_to_the_criteria() -> None:
    markets = [LoopMarket(n) for n in range(1, 8)]
    for n, market in enumerate(markets):
        market.said = {"volume24hr": 200_000.0 + n}
    markets[6].said["bestBid"] = 0.10
    markets[5].said["orderPriceMinTickSize"] = 0.03
    async with running(*markets) as loopback:
        loopback.page_size = 2
        now = [int(NOW)]
        async with listening(loopback, "auto", targeting=TargetingKnobs(target_markets_max=2), now=now) as feed:
            _, one, two = await feed.take(3)
            assert [fact.market.slug for fact in (one, two) if isinstance(fact, MarketListed)] == ["market-5", "market-4"]
            assert "orderPriceMinTickSize" in feed.feed.refused["market-6"]
            assert sum("after_cursor" in path for path in loopback.requests) == 3
            markets[4].said |= {"closed": True, "acceptingOrders": False}
            now[0] += SECOND
            closed, fresh = await feed.take(2)
            assert isinstance(closed, MarketClosed) and isinstance(fresh, MarketListed) and fresh.market.slug == "market-3"


async def test_F77_a_series_rolls_by_the_clock_and_waits_for_a_late_market() -> None:
    now = [1_780_000_500 * SECOND]
    running_now, following = LoopMarket(1), LoopMarket(2)
    running_now.said = {"slug": "btc-updown-15m-1780000200"}
    following.said = {"slug": "not-listed-yet"}
    async with running(running_now, following) as loopback, listening(loopback, "btc-updown-15m-*", now=now) as feed:
        _, first = await feed.take(2)
        assert isinstance(first, MarketListed) and first.market.slug.endswith("0200")
        now[0] = 1_780_001_050 * SECOND
        following.said = {"slug": "btc-updown-15m-1780001100", "clobTokenIds": "[]"}
        waiting = asyncio.ensure_future(feed.next())
        await loopback.until(lambda: sum("1780001100" in path for path in loopback.requests) > 4)
        assert not waiting.done()
        following.said = {"slug": "btc-updown-15m-1780001100"}
        second = await waiting
        assert isinstance(second, MarketListed) and second.market.slug.endswith("1100")
        now[0] = 1_780_001_500 * SECOND
        following.said |= {"acceptingOrders": False}
        assert isinstance(await feed.next(), MarketClosed)
        assert list(feed.feed._found) == ["btc-updown-15m-1780001100"], "a window that is over leaves memory"


@pytest.mark.fault("F69")
def test_of_markets_that_are_over_a_thousand_are_remembered() -> None:
    known: dict[str, int] = {}
    for number in range(3_000):
        remember(known, f"0x{number}", number)
    assert list(known.values()) == list(range(2_000, 3_000))


async def test_failures_are_told_once_waited_out_and_over() -> None:
    market = LoopMarket(1)
    html = {"content-type": "text/html"}
    async with running(market) as loopback:
        loopback.gamma_answers = [
            (429, html | {"retry-after": "0"}, "<html>slow down</html>"),
            (429, html, "<html>slow down</html>"),
            (200, html, "<html>challenge</html>"),
            (200, {"content-type": "application/json"}, '{"markets": ' + "[" * 5000),
            (200, {"content-type": "application/json"}, '{"oops": 1}'),
            (503, {}, ""),
        ]
        async with listening(loopback, market.slug) as feed:
            reasons = []
            while isinstance(fact := await feed.next(), LinkDown):
                reasons.append(fact.reason)
            assert isinstance(fact, LinkUp)
            assert "<html>" not in "".join(reasons)
            assert reasons[0].startswith("HTTP 429") and "text/html" in reasons[1] and reasons[-1].startswith("HTTP 503")
            assert len(reasons) == 5, "the same reason twice in a row is told once"
            assert isinstance(await feed.next(), MarketListed)


async def test_with_no_network_it_says_so_and_keeps_trying() -> None:
    feed = GammaFeed(FAST, TargetingKnobs(), ("auto",), "http://127.0.0.1:9", lambda: NOW, Random(1))
    facts = feed.events()
    async with asyncio.timeout(PATIENCE_S):
        down = await anext(facts)
        assert isinstance(down, LinkDown) and down.link == "gamma" and "ConnectError" in down.reason
        waiting = asyncio.ensure_future(anext(facts, None))
        while feed._patience.tries < 4:
            await asyncio.sleep(0)
        assert not waiting.done()
        await feed.close()
        assert await waiting is None, "close ends the stream"


async def test_a_short_failure_of_gamma_pulls_no_quotes_and_a_long_one_does() -> None:
    market, now = LoopMarket(1), [int(NOW)]
    async with running(market) as loopback, listening(loopback, market.slug, now=now) as feed:
        await feed.take(2)
        loopback.gamma_answers = [(500, {}, "")] * 10_000
        waiting = asyncio.ensure_future(feed.next())
        await loopback.until(lambda: len(loopback.gamma_answers) < 9_995)
        assert not waiting.done()
        now[0] += 121 * SECOND
        down = await waiting
        assert isinstance(down, LinkDown)
        loopback.gamma_answers.clear()
        assert isinstance(await feed.next(), LinkUp)


async def test_the_tape_gets_each_object_as_it_came() -> None:
    market, taped = LoopMarket(1), []
    async with running(market) as loopback:
        async with listening(loopback, market.slug, tape=lambda at, channel, raw: taped.append((at, channel, raw))) as feed:
            await feed.take(2)
        assert taped[0] == (NOW, "gamma", json.dumps(market.gamma(), separators=(",", ":")))
