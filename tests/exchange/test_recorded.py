"""Frames and bodies of the real venue beside ours: the same keys in the same order, and the same type of every value."""

import gzip
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pmm_tui.core.units import ONE, Price
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.terms import Lasts
from tests.exchange.venue_scene import MARKET, SELL, Socket, VenueScene

ME = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"


def differences(ours: Any, real: Any, where: str = "", *, part: bool = False, ordered: bool = True) -> Iterator[str]:
    """Where ours is spelled otherwise. part: ours may lack keys of the real one; ordered: keys stand in the real order."""
    if ours is None or real is None:
        return  # either may be null
    if _kind(ours) != _kind(real):
        yield f"{where}: {ours!r} for {real!r}"
    elif isinstance(ours, dict):
        if extra := set(ours) - set(real):
            yield f"{where}: the venue has no {sorted(extra)}"
        if not part and (missing := set(real) - set(ours)):
            yield f"{where}: {sorted(missing)} missing"
        if ordered and (mine := [key for key in ours if key in real]) != [key for key in real if key in ours]:
            yield f"{where}: the order is {mine}"
        for key in ours:
            if key in real:
                yield from differences(ours[key], real[key], f"{where}.{key}", part=part, ordered=ordered)
    elif isinstance(ours, list) and ours and real:
        yield from differences(ours[0], real[0], f"{where}[0]", part=part, ordered=ordered)


def _kind(value: Any) -> str:
    """A JSON value's type; JSON knows one kind of number."""
    return "number" if type(value) in (int, float) else type(value).__name__


# --- the venue's -------------------------------------------------------------------------------------------------------------------------


@cache
def frames(recordings: Path) -> dict[str, str]:
    """One raw text of every kind that was recorded as it came: event types, `dump` for an array of books, `rest` for GET /book, rtds."""
    found: dict[str, str] = {}
    for path in sorted(recordings.glob("polymarket-sessions/*/raw_messages.jsonl")):
        for line in path.read_text().splitlines():
            said = json.loads(line)
            raw = said["payload"]
            if said["source"] == "polymarket_rtds_chainlink":
                found.setdefault(f"rtds {json.loads(raw)['type']}", raw)
            elif said["source"] == "polymarket_clob" and ('"price"' in raw or '"new_market"' in raw):
                event = re.search(r'"event_type":"(\w+)"', raw)
                found.setdefault("dump" if raw.startswith("[") else event[1] if event else "rest", raw)
    for line in (recordings / "polymarket-ws" / "btc-5m-dense-head.jsonl").read_text().splitlines():
        raw = line.split('"payload":', 1)[1][:-1]
        kind = json.loads(raw)["event_type"]
        if kind != "book" or '"last_trade_price"' not in raw:
            found.setdefault(kind, raw)
    return found


def message(recordings: Path, name: str) -> Any:
    """A single recorded message; the first of an array."""
    said = json.loads((recordings / "messages" / name).read_text())
    return said[0] if isinstance(said, list) else said


# --- ours ---------------------------------------------------------------------------------------------------------------------------------


def traded() -> tuple[VenueScene, Socket, Socket, Socket]:
    """A market where everything but its end has happened, and sockets that heard it: market, user and rtds."""
    scene = VenueScene(rules=Rules(reward_sample_s=60))
    scene.show()
    market, user, rtds = scene.market_socket(custom=True), scene.user_socket(), Socket(scene, "rtds")
    wanted = {"topic": "crypto_prices_chainlink", "type": "*", "filters": '{"symbol":"btc/usd"}'}
    rtds.say({"action": "subscribe", "subscriptions": [wanted]})
    scene.cancel(scene.rest(cents=41))
    scene.rest(cents=49)
    scene.act(SELL, 49, 6, Lasts.FAK)
    listed = msgspec.structs.replace(MARKET, id="0x" + "ef" * 32, yes="3", no="4")
    scene.matching.list_market(listed, scene.at)
    scene.wait(20)
    scene.matching.retick(MARKET.id, Price(10), scene.at)
    scene.venue.advance(scene.at)
    return scene, market, user, rtds


@pytest.fixture(scope="module")
def ours() -> dict[str, str]:
    """One raw text of every kind."""
    scene, market, user, rtds = traded()
    found = {"rest": scene.ask("GET", "/book", token_id=MARKET.yes).body.decode()}
    scene.matching.resolve(MARKET.id, ONE, scene.at)
    scene.venue.advance(scene.at)
    for raw in (*market.raw(), *user.raw()):
        said = json.loads(raw)
        kind = "dump" if isinstance(said, list) else said["event_type"]
        if kind != "price_change" or kind not in found:  # the first is of one level, as most recorded ones are
            found[kind] = raw
    for raw in rtds.raw():
        found[f"rtds {json.loads(raw)['type']}"] = raw
    return found


AS_THEY_CAME = ("rest", "dump", "book", "price_change", "last_trade_price", "best_bid_ask", "new_market", "rtds subscribe", "rtds update")

UNTOUCHED = ("rest", "dump", "price_change", "new_market", "rtds subscribe", "rtds update")
"""Recorded byte by byte; the recorder of the others wrote their JSON anew."""


@pytest.mark.parametrize("kind", AS_THEY_CAME)
def test_a_frame_has_the_recorded_keys_in_their_order_and_every_value_its_type(kind: str, ours: dict[str, str], recordings: Path) -> None:
    real = frames(recordings)[kind]
    assert list(differences(json.loads(ours[kind]), json.loads(real), kind)) == []
    blanks = [bool(re.search(r'[\]}"0-9], "', raw)) for raw in (ours[kind], real)]
    assert kind not in UNTOUCHED or blanks[0] == blanks[1], "blanks after commas"
    assert kind not in UNTOUCHED or (ours[kind][-1] == "\n") == (real[-1] == "\n")


def test_a_price_change_is_the_recorded_one_but_for_its_values(ours: dict[str, str], recordings: Path) -> None:
    values = re.compile(r'"(?:[0-9a-fx.]+|BUY|SELL)"')
    assert values.sub("_", ours["price_change"]) == values.sub("_", frames(recordings)["price_change"])


USER = {"order": "polymarket-live-2026-07/ws_user_order_placement.json"}
EDITED = {
    "tick_size_change": "polymarket/more/ws_messages/tick_size_change.json",
    "market_resolved": "polymarket/ws_market_resolved_msg.json",
    "trade": "polymarket/more/ws_messages/user_trade1.json",
    "order": "polymarket/more/ws_messages/order_placement.json",
}
"""Kept with sorted keys, or edited by hand: their order says nothing."""


@pytest.mark.parametrize("kind", USER)
def test_a_user_event_is_that_of_the_live_venue(kind: str, ours: dict[str, str], recordings: Path) -> None:
    assert list(differences(json.loads(ours[kind]), message(recordings, USER[kind]), kind)) == []


@pytest.mark.parametrize("kind", EDITED)
def test_an_event_has_the_types_of_the_edited_recordings(kind: str, ours: dict[str, str], recordings: Path) -> None:
    found = differences(json.loads(ours[kind]), message(recordings, EDITED[kind]), kind, ordered=False)
    assert [one for one in found if "outcome_index" not in one] == []  # newer than these recordings


Ask = Callable[[VenueScene], Any]
BODIES: dict[str, tuple[str, Ask, bool]] = {
    "open orders": ("polymarket/http_open_orders_page.json", lambda scene: scene.get("/data/orders", signed=True), False),
    "one order": ("polymarket/http_open_order.json", lambda scene: scene.get("/data/orders", signed=True)["data"][0], False),
    "trades": ("polymarket/http_trades_page.json", lambda scene: scene.get("/data/trades", signed=True), False),
    "a trade": ("polymarket/http_trade_report.json", lambda scene: scene.get("/data/trades", signed=True)["data"][0], False),
    "a cancel": ("polymarket/http_cancel_response_ok.json", lambda scene: json.loads(scene.cancel(scene.rest(cents=39)).body), False),
    "an error": ("polymarket/http_order_response_error_500.json", lambda scene: json.loads(scene.ask("GET", "/x").body), False),
    "market": ("polymarket/clob_market_closed_binary_accepting_true.json", lambda scene: scene.get(f"/markets/{MARKET.id}"), True),
    "markets": ("polymarket/more/http_responses/markets.json", lambda scene: scene.get("/markets"), False),
    "gamma market": ("polymarket/gamma_market.json", lambda scene: scene.get("/gamma/markets/1"), True),
    "gamma event": ("polymarket/gamma_event.json", lambda scene: scene.get("/gamma/events/1"), True),
    "positions": ("polymarket/data_api_positions_response.json", lambda scene: scene.get("/data-api/positions", user=ME)[0], True),
    "spot price": ("polymarket/rtds_crypto_prices_update.json", lambda scene: spot(scene)[1], False),
    "spot backfill": ("polymarket/rtds_crypto_prices_subscribe.json", lambda scene: spot(scene)[0], False),
}
"""By name: what was recorded, what we say, and whether the recording's order is the venue's."""
MAY_BE_MORE = {
    "open orders": {"limit", "count"},
    "trades": {"limit", "count"},
    "a trade": {"trader_side"},
    "gamma market": {"feeSchedule", "clobRewards"},
    "gamma event": {"feeSchedule", "clobRewards", "eventStartTime", "makerBaseFee", "takerBaseFee"},
    "spot price": {"connection_id"},
}
"""Keys of ours that the recording lacks, and other sources have."""
MAY_LACK = {"one order", "open orders", "positions", "gamma market", "gamma event", "market", "markets"}


def spot(scene: VenueScene) -> list[dict[str, Any]]:
    socket = Socket(scene, "rtds")
    socket.say({"action": "subscribe", "subscriptions": [{"topic": "crypto_prices", "type": "*", "filters": '{"symbol":"btcusdt"}'}]})
    scene.wait(1)
    return socket.heard()


@pytest.mark.parametrize("name", BODIES)
def test_a_body_has_the_recorded_keys_and_types(name: str, recordings: Path) -> None:
    path, ask, ordered = BODIES[name]
    scene, *_ = traded()
    scene.rest(cents=40)
    found = differences(ask(scene), message(recordings, path), name, part=name in MAY_LACK, ordered=ordered)
    known = MAY_BE_MORE.get(name, set())
    assert [one for one in found if not ("the venue has no" in one and set(re.findall(r"'(\w+)'", one)) <= known)] == []


def test_gammas_resolved_market_has_the_recorded_types(recordings: Path) -> None:
    with gzip.open(recordings / "btc-5m-markets" / "BTC-5m-markets-2026-06-08.jsonl.gz", "rt") as lines:
        real = json.loads(next(lines))["raw"]
    scene, *_ = traded()
    scene.matching.resolve(MARKET.id, ONE, scene.at)
    (market,) = scene.get("/gamma/markets/keyset", closed="true", slug=MARKET.slug)["markets"][:1]
    found = [one for one in differences(market, real, part=True, ordered=False) if "clobRewards" not in one and "events" not in one]
    assert found == []


def test_numbers_are_written_as_the_venue_writes_them() -> None:
    """5 and not 5.0: Go and JavaScript know no difference, and write none."""
    scene, market, user, rtds = traded()
    scene.rest(cents=40)
    paths = ("/markets", "/gamma/markets", "/gamma/events", "/data-api/positions", "/rewards/markets/current", "/prices-history")
    bodies = [scene.ask("GET", path, user=ME, market=MARKET.yes).body.decode() for path in paths]
    bodies.append(scene.ask("GET", f"/clob-markets/{MARKET.id}").body.decode())
    for raw in (*bodies, *market.raw(), *user.raw(), *rtds.raw()):
        assert not re.search(r":-?\d+\.0[,}\]]", raw), raw[:400]
