"""The real-time data socket: reference prices second by second, and its quirks."""

import json
from random import Random
from typing import Any

import pytest

from pmm_tui.core.units import SECOND, Cash, Nanos
from pmm_tui.exchange.fault_script import parse
from pmm_tui.exchange.faults import Faults
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.prices import BASES, KEPT_S, Prices
from tests.exchange.venue_scene import START, Socket, VenueScene

START_S = START // SECOND
SPOT, CHAINLINK = '{"symbol":"btcusdt"}', '{"symbol":"btc/usd"}'


def subscribe(topic: str, filters: Any = None, action: str = "subscribe") -> dict[str, Any]:
    one = {"topic": topic, "type": "*"} | ({"filters": filters} if filters is not None else {})
    return {"action": action, "subscriptions": [one]}


class Guide:
    """A crowd that only knows what BTC costs: a dollar more every second."""

    def __init__(self) -> None:
        self.price = Cash(70_000_000_000)

    def act(self, matching: Matching, at: Nanos) -> Nanos:
        self.price = Cash(70_000_000_000 + (at - START) // SECOND * 1_000_000)
        return Nanos(at + SECOND)

    def btc(self) -> Cash:
        return self.price


def guided() -> tuple[VenueScene, Socket]:
    scene = VenueScene()
    scene.venue.join(Guide(), scene.at)
    return scene, Socket(scene, "rtds")


def test_a_subscription_begins_with_a_minute_of_backfill_and_goes_on_every_second() -> None:
    scene, socket = guided()
    scene.wait(100)
    socket.say(subscribe("crypto_prices", SPOT))
    scene.wait(3)
    first, *updates = socket.heard()
    assert list(first) == ["payload", "timestamp", "topic", "type"] and list(first["payload"]) == ["data", "symbol"]
    assert (first["type"], first["topic"], first["payload"]["symbol"]) == ("subscribe", "crypto_prices", "btcusdt")
    data = first["payload"]["data"]
    assert [point["timestamp"] for point in data] == [1_000 * (START_S + second) for second in range(41, 101)]
    assert [point["value"] for point in data] == [70_000 + second for second in range(41, 101)]
    assert [(one["type"], one["payload"]["value"]) for one in updates] == [("update", 70_101), ("update", 70_102), ("update", 70_103)]
    assert [one["payload"]["full_accuracy_value"] for one in updates][:1] == ["70101.00000000"]
    assert list(updates[0]) == ["connection_id", "payload", "timestamp", "topic", "type"]
    assert list(updates[0]["payload"]) == ["full_accuracy_value", "symbol", "timestamp", "value"]
    assert updates[0]["payload"]["timestamp"] == 1_000 * (START_S + 101) and len(updates[0]["connection_id"]) == 16


def test_chainlink_backfills_under_the_name_of_the_other_topic_and_is_exact_to_eighteen_places() -> None:
    scene, socket = guided()
    socket.say(subscribe("crypto_prices_chainlink", CHAINLINK))
    scene.wait(1)
    first, update = socket.heard()
    assert (first["type"], first["topic"], first["payload"]["symbol"]) == ("subscribe", "crypto_prices", "btc/usd")
    assert update["topic"] == "crypto_prices_chainlink"
    assert update["payload"]["full_accuracy_value"] == "70001" + "0" * 18


def test_a_twap_is_the_mean_of_its_seconds() -> None:
    scene, socket = guided()
    scene.wait(100)
    for topic in ("crypto_prices_twap_thirty", "crypto_prices_twap_sixty"):
        socket.say(subscribe(topic, CHAINLINK))
    socket.raw()
    scene.wait(1)
    assert [one["payload"]["value"] for one in socket.heard()] == [70_101 - 14.5, 70_101 - 29.5]


def test_without_a_filter_every_symbol_comes_and_no_backfill() -> None:
    scene, socket = guided()
    socket.say(subscribe("crypto_prices"))
    assert socket.raw() == []
    scene.wait(2)
    assert [one["payload"]["symbol"] for one in socket.heard()] == ["btcusdt", "ethusdt", "solusdt", "xrpusdt"] * 2


@pytest.mark.parametrize(
    ("topic", "filters"),
    [
        ("crypto_prices", "btcusdt,ethusdt"),
        ("crypto_prices", CHAINLINK),
        ("crypto_prices", '{"symbol":"dogeusdt"}'),
        ("equity_prices", '{"symbol":"aapl"}'),
    ],
)
def test_what_yields_nothing_at_the_venue_yields_nothing_here(topic: str, filters: str) -> None:
    scene, socket = guided()
    socket.say(subscribe(topic, filters))
    scene.wait(5)
    assert socket.raw() == []


def test_a_blank_in_a_filter_gets_the_backfill_and_then_silence() -> None:
    scene, socket = guided()
    socket.say(subscribe("crypto_prices_chainlink", '{"symbol": "btc/usd"}'))
    scene.wait(5)
    assert [one["type"] for one in socket.heard()] == ["subscribe"]


def test_one_unknown_topic_poisons_the_whole_message() -> None:
    scene, socket = guided()
    good, bad = subscribe("crypto_prices", SPOT)["subscriptions"][0], {"topic": "prices", "type": "*"}
    socket.say({"action": "subscribe", "subscriptions": [good, bad]})
    scene.wait(3)
    (refused,) = socket.heard()
    assert refused["statusCode"] == 401


@pytest.mark.parametrize("said", ["[", "7", {"action": "subscribe"}, {"subscriptions": []}, subscribe("crypto_prices", {"symbol": "x"})])
def test_a_message_of_another_shape_is_an_invalid_request(said: Any) -> None:
    _, socket = guided()
    socket.say(said)
    (refused,) = socket.heard()
    assert list(refused) == ["message", "connectionId", "requestId"] and refused["message"] == "Invalid request body"


def test_ping_is_not_answered_and_unsubscribing_ends_it() -> None:
    scene, socket = guided()
    socket.say(subscribe("crypto_prices", SPOT))
    socket.raw()
    socket.say("PING")
    assert socket.raw() == []
    socket.say(subscribe("crypto_prices", SPOT, "unsubscribe"))
    scene.wait(3)
    assert socket.raw() == []


def test_nobody_listening_is_no_work() -> None:
    scene, socket = guided()
    due = scene.venue.channels.due()
    socket.say(subscribe("crypto_prices", SPOT))
    socket.raw()
    assert scene.venue.channels.due() == START + SECOND < due
    scene.venue.shut("rtds", socket.number)
    assert scene.venue.channels.due() == due


def test_a_fault_reaches_the_prices() -> None:
    script = parse([{"at": 0, "what": "reference_outlier", "percent": 10}])
    scene = VenueScene(faults=Faults(script, Random(1), START))
    scene.venue.join(Guide(), scene.at)
    socket = Socket(scene, "rtds")
    socket.say(subscribe("crypto_prices", SPOT))
    socket.raw()
    scene.wait(1)
    assert json.loads(socket.raw()[0])["payload"]["value"] == pytest.approx(77_001.1)


class TestPrices:
    def test_a_seed_is_a_path_and_a_coin_begins_where_it_should(self) -> None:
        first, second, other = Prices(Random(1)), Prices(Random(1)), Prices(Random(2))
        for prices in (first, second, other):
            for step in range(200):
                prices.note(Nanos(START + step * SECOND))
        assert first.last("btc") == second.last("btc") != other.last("btc")
        assert [at for at, _ in first.last("eth")] == list(range(START_S + 80, START_S + 200))
        for coin, base in BASES.items():
            assert abs(first.last(coin, 1)[0][1] / base - 1) < 0.01
        assert len({price for _, price in first.last("btc")}) > 100

    def test_a_long_silence_is_one_move_and_two_minutes(self) -> None:
        prices = Prices(Random(1))
        prices.note(START)
        prices.note(Nanos(START + 86_400 * SECOND))
        assert len(prices.last("sol")) == KEPT_S and prices.last("sol", 1)[0][0] == START_S + 86_400 == prices.second
        prices.note(START)  # never back
        assert prices.second == START_S + 86_400

    def test_who_knows_what_btc_costs_is_believed(self) -> None:
        prices = Prices(Random(1))
        prices.note(START, lambda: Cash(5))
        assert {price for _, price in prices.last("btc")} == {5} and prices.mean("btc", 60) == 5
        with pytest.raises(ValueError, match="no price of doge"):
            prices.mean("doge", 60)
