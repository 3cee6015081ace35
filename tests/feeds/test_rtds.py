"""Reference prices over real sockets: the exchange's own server, and a socket that says what a test makes it say."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
from msgspec import structs
from websockets.asyncio.server import ServerConnection, serve

from pmm_tui.core.events import Event, LinkDown, LinkUp, ReferenceMoved
from pmm_tui.core.units import MILLI, Cash, Nanos
from pmm_tui.feeds.rtds import Refused, RtdsDecoder, RtdsFeed, subscription
from pmm_tui.feeds.shard import MarketWsKnobs
from tests.feeds.loopback import PATIENCE_S

AT = Nanos(1_780_730_270_000 * MILLI)
SPOT: dict[str, Any] = {
    "topic": "crypto_prices",
    "type": "update",
    "timestamp": 1_780_730_269_142,
    "payload": {"symbol": "btcusdt", "timestamp": 1_780_730_269_000, "value": 61035.86, "full_accuracy_value": "61035.86000000"},
}
CHAINLINK: dict[str, Any] = {
    "connection_id": "ckEXNdWprPECJAA=",
    "payload": {
        "full_accuracy_value": "63123543864012340000000",
        "symbol": "btc/usd",
        "timestamp": 1_780_730_268_000,
        "value": 63123.54386401234,
    },
    "timestamp": 1_780_730_269_498,
    "topic": "crypto_prices_chainlink",
    "type": "update",
}
KNOBS = MarketWsKnobs(ws_backoff_first_s=0.01, ws_backoff_max_s=0.02, malformed_per_min_max=3)


def with_payload(frame: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(frame | {"payload": frame["payload"] | changes}).encode()


def test_both_sources_are_read_to_the_micro_dollar() -> None:
    decoder = RtdsDecoder(("btc/usd",))
    seconds = 1_780_730_269_000 * MILLI
    assert decoder.decode(json.dumps(SPOT).encode(), AT) == ReferenceMoved(AT, "binance", "btc/usd", Cash(61_035_860_000), Nanos(seconds))
    told = decoder.decode(json.dumps(CHAINLINK).encode(), AT)
    assert told == ReferenceMoved(AT, "chainlink", "btc/usd", Cash(63_123_543_864), Nanos(seconds - 1_000 * MILLI))
    assert (decoder.malformed, decoder.ignored) == (0, 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"\xff",
        b"[" * 100_000,
        with_payload(SPOT, value=float("nan")),
        with_payload(SPOT, value=1.0),  # not what the exact value says
        with_payload(SPOT, full_accuracy_value="٣"),
        with_payload(SPOT, full_accuracy_value="-61035.86"),
        with_payload(SPOT, value=0, full_accuracy_value="0"),
        with_payload(SPOT, value="61035.86"),
        with_payload(SPOT, timestamp=0),
        with_payload(SPOT, timestamp=1_780_740_269_000),  # hours ahead
        with_payload(CHAINLINK, full_accuracy_value="6.3e22"),
        with_payload(CHAINLINK, full_accuracy_value="9" * 41),
        json.dumps(SPOT).replace("61035.86,", "1e400,").encode(),
        json.dumps({key: value for key, value in SPOT.items() if key != "payload"}).encode(),
    ],
)
def test_F12_what_is_no_price_is_counted_and_not_told(raw: bytes) -> None:
    decoder = RtdsDecoder(("btc/usd",))
    assert decoder.decode(raw, AT) is None
    assert (decoder.malformed, decoder.ignored) == (1, 0)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        json.dumps({"topic": "crypto_prices", "type": "subscribe", "payload": {"symbol": "btcusdt", "data": []}}).encode(),
        with_payload(SPOT, symbol="ethusdt"),
        json.dumps(SPOT | {"topic": "crypto_prices_twap_sixty"}).encode(),
    ],
)
def test_what_was_not_asked_for_is_passed_over(raw: bytes) -> None:
    decoder = RtdsDecoder(("btc/usd",))
    assert decoder.decode(raw, AT) is None
    assert (decoder.malformed, decoder.ignored) == (0, 1)


def test_a_refusal_is_told_without_control_characters() -> None:
    with pytest.raises(Refused, match=r"^subscription refused: 401 Unauthorized$"):
        RtdsDecoder(("btc/usd",)).decode(b'{"connection_id":"x","message":"Unauth\\u001borized","statusCode":401}', AT)


def test_filters_are_compact_json_in_a_text_one_subscription_a_source_and_symbol() -> None:
    said = json.loads(subscription(("btc/usd", "eth/usd")))
    assert said["action"] == "subscribe" and {one["type"] for one in said["subscriptions"]} == {"*"}
    assert [(one["topic"], one["filters"]) for one in said["subscriptions"]] == [
        ("crypto_prices", '{"symbol":"btcusdt"}'),
        ("crypto_prices", '{"symbol":"ethusdt"}'),
        ("crypto_prices_chainlink", '{"symbol":"btc/usd"}'),
        ("crypto_prices_chainlink", '{"symbol":"eth/usd"}'),
    ]


class Stand:
    """A socket server on loopback that plays what it is given, one script a connection, and keeps what it hears."""

    def __init__(self, *scripts: list[str | int]) -> None:
        self.scripts = list(scripts)
        self.heard: list[str] = []

    async def talk(self, socket: ServerConnection) -> None:
        self.heard.append(str(await socket.recv()))
        for said in self.scripts.pop(0) if self.scripts else []:
            if isinstance(said, int):
                await socket.close(said)
                return
            await socket.send(said)
        async for raw in socket:
            self.heard.append(str(raw))


class Steps:
    """A clock that goes on by as much as a test says at every look."""

    def __init__(self, step_ms: int) -> None:
        self.now = AT
        self.step = step_ms * MILLI

    def __call__(self) -> Nanos:
        self.now = Nanos(self.now + self.step)
        return self.now


@asynccontextmanager
async def listening(stand: Stand, knobs: MarketWsKnobs = KNOBS, step_ms: int = 1) -> AsyncIterator[RtdsFeed]:
    async with serve(stand.talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        feed = RtdsFeed(knobs, f"ws://127.0.0.1:{port}/rtds", ("btc/usd",), Steps(step_ms), Random(1))
        yield feed
        await feed.close()


async def first(feed: RtdsFeed, count: int) -> list[Event]:
    told: list[Event] = []
    async with asyncio.timeout(PATIENCE_S):
        async for fact in feed.events():
            told.append(fact)
            if len(told) == count:
                break
    return told


async def until_lost(feed: RtdsFeed) -> tuple[list[Event], str]:
    """What is told before the link is lost, and why it was."""
    told: list[Event] = []
    async with asyncio.timeout(PATIENCE_S):
        async for fact in feed.events():
            if isinstance(fact, LinkDown):
                return told, fact.reason
            told.append(fact)
    raise AssertionError


async def test_prices_come_the_link_is_up_with_the_first_and_a_lost_socket_is_opened_anew() -> None:
    stand = Stand([json.dumps(SPOT), json.dumps(CHAINLINK), 1012], [json.dumps(CHAINLINK)])
    async with listening(stand) as feed:
        told = await first(feed, 6)
    assert [type(fact) for fact in told] == [LinkUp, ReferenceMoved, ReferenceMoved, LinkDown, LinkUp, ReferenceMoved]
    assert isinstance(told[3], LinkDown) and told[3].reason == "connection lost: 1012"
    assert stand.heard == [subscription(("btc/usd",))] * 2 and feed.connections == 2


async def test_three_unreadable_frames_within_a_minute_cost_the_socket() -> None:
    async with listening(Stand(["{", json.dumps(SPOT), "{", "{"])) as feed:
        _, why = await until_lost(feed)
    assert why == "3 unreadable frames within a minute"
    assert feed.decoder.malformed == 3


async def test_F01_a_source_that_repeats_itself_costs_the_socket_though_the_other_goes_on() -> None:
    def spot(second: int) -> str:
        return with_payload(SPOT, timestamp=1_780_730_269_000 + 1_000 * second).decode()

    stand = Stand([line for second in range(20) for line in (spot(second), json.dumps(CHAINLINK))])
    async with listening(stand, step_ms=300) as feed:
        told, why = await until_lost(feed)
    assert why == "chainlink told no newer price of btc/usd for over 10 s"
    assert {fact.source for fact in told[-4:] if isinstance(fact, ReferenceMoved)} == {"binance", "chainlink"}


async def test_a_quiet_socket_is_pinged_and_given_up() -> None:
    stand = Stand([])
    async with listening(stand, structs.replace(KNOBS, ws_ping_s=1.0), step_ms=6_000) as feed:
        _, why = await until_lost(feed)
    assert why == "binance told no newer price of btc/usd for over 10 s"
    assert stand.heard == [subscription(("btc/usd",)), "PING"]


async def test_no_server_is_told_and_tried_again() -> None:
    feed = RtdsFeed(KNOBS, "ws://127.0.0.1:9/rtds", ("btc/usd",), Steps(1), Random(1))
    told = await first(feed, 2)
    assert all(isinstance(fact, LinkDown) and fact.reason.startswith("cannot connect: ") for fact in told)
    await feed.close()
    assert [fact async for fact in feed.events()] == []
