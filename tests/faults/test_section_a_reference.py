"""Section A, F19: a reference price frozen, off, or disputed. No quote rests in a BTC market without two agreeing prices of BTC."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pmm_tui.core.engine import Engine
from pmm_tui.core.events import BookReset, Event, MarketListed, ReferenceMoved
from pmm_tui.core.units import SECOND, SHARE, Cash, Nanos, Price, Size
from pmm_tui.record.conduct import Conductor
from pmm_tui.record.drawn import START, turned
from pmm_tui.runtime.virtual import clock
from pmm_tui.venues.paper.fills import PaperKnobs
from pmm_tui.venues.paper.matching import Matching
from tests.core.desk import knobs
from tests.faults.crowd import MARKET
from tests.faults.scene import Scene, playing
from tests.runtime.desks import desk_in, proven
from tests.venues.clob_stand import timeless

BTC = structs.replace(MARKET, slug="btc-updown-1h-1790000000", cluster="BTC")
SPOT, CHAINLINK = "crypto_prices", "crypto_prices_chainlink"
NEEDED: dict[str, Any] = {"reference_markets": ["btc-updown-*"]}


def frozen(topic: str) -> dict[str, Any]:
    return {"at": 0, "what": "drop_frames", "channel": "rtds", "topic": topic}


def off(topic: str, percent: float = 0.7) -> dict[str, Any]:
    return {"at": 0, "what": "reference_outlier", "topic": topic, "percent": percent}


def why(scene: Scene) -> str:
    return scene.engine.snapshot().markets[0].why


def replays(scene: Scene) -> bool:
    """Whether the same facts give the same commands and the same state once more."""
    again = Engine(scene.knobs)
    said = [(fact.at, command) for fact in scene.desk.facts for command in again.step(fact)]
    return said == scene.desk.said and again.digest() == scene.engine.digest()


@timeless
async def test_F19_one_source_frozen_and_the_other_off_pull_the_quotes_until_both_are_right() -> None:
    async with playing(Scene(BTC, **NEEDED)) as scene:
        began = clock()
        scene.cause_all(frozen(CHAINLINK), off(SPOT))
        assert await scene.pulled(2.0) <= 1.6  # the next price is 70 bps from the one that is still fresh
        assert " bps apart, binance " in why(scene)
        await scene.seconds(6)
        assert why(scene).startswith("reference: 1 of 2 fresh, chainlink ") and why(scene).endswith(" s old")
        pulled = clock()
        await scene.seconds(20)
        assert not scene.places(pulled) and not scene.resting()
        assert scene.faults.struck.keys() == {"drop_frames", "reference_outlier"}
        assert scene.rtds.connections > 1  # a source that is silent for long costs the socket
        scene.cease()
        await scene.quoting(60)
        assert replays(scene) and len(scene.facts(ReferenceMoved, began)) > 20


@timeless
async def test_F19_both_sources_frozen_pull_the_quotes_once_they_are_old() -> None:
    async with playing(Scene(BTC, **NEEDED)) as scene:
        scene.cause_all(frozen(SPOT), frozen(CHAINLINK))
        assert 3.5 < await scene.pulled(7.0) < 6.2  # five seconds, by when the last price came
        assert why(scene).startswith("reference: 0 of 2 fresh, binance ")
        scene.cease()
        await scene.quoting(60)


@timeless
@pytest.mark.parametrize("percent", [0.7, -0.7, 50])
async def test_F19_one_of_two_sources_off_is_a_dispute_and_nobody_knows_which(percent: float) -> None:
    async with playing(Scene(BTC, **NEEDED)) as scene:
        scene.cause_all(off(CHAINLINK, percent))
        await scene.pulled(2.0)
        began = clock()
        await scene.seconds(10)
        assert not scene.places(began) and " bps apart" in why(scene)
        scene.cease()
        await scene.quoting(10)


@timeless
async def test_F19_the_socket_is_refused_and_quotes_wait_for_its_prices() -> None:
    async with playing(Scene(BTC, **NEEDED), first={"at": 0, "for": 120, "what": "refuse_upgrade", "path": "/rtds"}) as scene:
        await scene.until(lambda: scene.engine.state.markets and "reference" in scene.market.hold, 90)
        assert not scene.posted() and not scene.engine.state.links["reference"].up
        await scene.quoting(150)


@timeless
async def test_F19_a_market_of_something_else_is_quoted_whatever_btc_does() -> None:
    async with playing(Scene(MARKET, **NEEDED)) as scene:
        scene.cause_all(frozen(SPOT), frozen(CHAINLINK))
        await scene.seconds(30)
        assert len(scene.resting()) == 2 and not scene.engine.state.links["reference"].up


# --- paper --------------------------------------------------------------------------------------------------------------------------------


def second(number: int, prices: dict[str, float]) -> Iterator[Event]:
    """A second of a quiet market, and what each source says in it."""
    at = Nanos(START + number * SECOND)
    bids = tuple((Price(price), Size(100 * SHARE)) for price in (4_600, 4_700))
    asks = tuple((Price(price), Size(100 * SHARE)) for price in (5_400, 5_300))
    yield BookReset(at, BTC.id, at, bids, asks)
    for source, price in prices.items():
        yield ReferenceMoved(at, source, "btc/usd", Cash(round(price * 1e6)), at)


def story() -> Iterator[Event]:
    """Twenty seconds of two sources, fifteen of one frozen and one off, then a third one that settles it, then two again."""
    yield MarketListed(START, BTC)
    for number in range(1, 21):
        yield from second(number, {"binance": 60_000.0, "chainlink": 60_002.0})
    for number in range(21, 36):
        yield from second(number, {"binance": 60_420.0})
    for number in range(36, 51):
        yield from second(number, {"binance": 60_420.0, "chainlink": 60_002.0, "kraken": 60_001.0})
    for number in range(51, 61):
        yield from second(number, {"binance": 60_000.0, "chainlink": 60_002.0})


def test_F19_a_paper_desk_stops_and_goes_on_with_the_quorum_and_its_journal_replays(tmp_path: Path) -> None:
    settings = turned(knobs(complement_routing=True), NEEDED)
    desk = desk_in(tmp_path, settings)
    conductor = Conductor(desk.step, Matching(PaperKnobs(fill_probability=0.0), 1, Cash(500_000_000)))
    resting: dict[int, int] = {}
    for due in conductor.play(story()):
        resting[(due - START) // SECOND] = sum(order.rest > 0 for order in desk.engine.state.live.values())
    assert all(resting[number] == 2 for number in range(3, 20))
    assert all(resting[number] == 0 for number in range(22, 36))
    assert all(resting[number] == 2 for number in range(38, 60))  # the outlier is dropped, and two are left
    desk.close()
    proof = proven(tmp_path)
    assert proof.difference is None and proof.digest == proof.recorded_digest and proof.entries > 600
