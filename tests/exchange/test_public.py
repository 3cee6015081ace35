"""The endpoints without a key, and the ways in which they refuse: prices of one token and of many, history, lists and their pages."""

from typing import Any

import msgspec
import pytest

from pmm_tui.core.units import ONE
from pmm_tui.exchange import paging
from pmm_tui.exchange.habits import Habits
from pmm_tui.exchange.terms import Lasts
from tests.exchange.venue_scene import BUY, MARKET, OTHER, SELL, START, VenueScene, error

YES, NO = MARKET.yes, MARKET.no
START_S = START // 1_000_000_000


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nothing"),
        ("GET", "/order"),
        ("POST", "/books/"),
        ("POST", "/data/orders"),
        ("DELETE", "/data/orders"),
        ("GET", "/gamma/series"),
        ("GET", "/data-api/trophies"),
        ("GET", "/rewards/user/all"),
        ("PUT", "/order"),
    ],
)
def test_an_unknown_path_is_404_with_or_without_a_key(method: str, path: str) -> None:
    scene = VenueScene()
    for signed in (False, True):
        assert error(scene.ask(method, path, signed=signed)) == (404, "not found")


def test_a_known_path_without_a_key_is_401() -> None:
    scene = VenueScene()
    for method, path in (("GET", "/data/orders"), ("POST", "/order"), ("DELETE", "/cancel-all"), ("GET", "/rewards/user")):
        assert error(scene.ask(method, path)) == (401, "Unauthorized/Invalid api key")


@pytest.mark.parametrize(("habit", "buy", "sell"), [("bid", "0.48", "0.52"), ("ask", "0.52", "0.48")])
def test_the_side_of_a_price_is_switchable(habit: Any, buy: str, sell: str) -> None:
    scene = VenueScene(Habits(price_of_buy=habit))
    scene.show()
    assert [scene.get("/price", token_id=YES, side=side)["price"] for side in ("BUY", "SELL")] == [buy, sell]
    assert scene.get("/prices", token_ids=YES, sides="buy") == {YES: {"BUY": buy}}


def test_prices_of_many_by_get_and_by_post() -> None:
    scene = VenueScene()
    scene.show(48, 53)
    both = {YES: {"BUY": "0.48", "SELL": "0.53"}, NO: {"BUY": "0.47", "SELL": "0.52"}}
    assert scene.get("/prices", token_ids=f"{YES},{NO},123") == both
    assert scene.get("/prices", token_ids=f"{YES},{NO}", sides="SELL,BUY") == {YES: {"SELL": "0.53"}, NO: {"BUY": "0.47"}}
    asked = [{"token_id": YES, "side": "BUY"}, {"token_id": YES, "side": "SELL"}, {"token_id": NO}]
    assert msgspec.json.decode(scene.ask("POST", "/prices", asked).body) == both
    assert scene.get("/midpoints", token_ids=f"{YES},{NO}") == {YES: "0.505", NO: "0.495"}
    assert scene.get("/spreads", token_ids=YES) == {YES: "0.05"}
    assert [book["asset_id"] for book in scene.get("/books", token_ids=f"{YES},{NO}")] == [YES, NO]
    for wrong in ("", "[", [{"token": YES}], [{"token_id": YES}] * 501):
        assert error(scene.ask("POST", "/prices", wrong)) == (400, "Invalid payload")
    assert error(scene.ask("GET", "/prices")) == (400, "Invalid payload")
    assert error(scene.ask("GET", "/prices", token_ids=f"{YES},{NO}", sides="BUY")) == (400, "Invalid payload")


def test_the_last_trade_has_its_takers_side() -> None:
    scene = VenueScene()
    scene.show()
    assert scene.get("/last-trade-price", token_id=YES) == {"price": "0.5", "side": ""}
    scene.act(SELL, 48, 6, Lasts.FAK)
    scene.venue.advance(scene.at)
    for token in (YES, NO):  # one value a market
        assert scene.get("/last-trade-price", token_id=token) == {"price": "0.480", "side": "SELL"}
    assert scene.get("/last-trades-prices", token_ids=NO) == [{"token_id": NO, "price": "0.480", "side": "SELL"}]


class TestHistory:
    def scene(self) -> VenueScene:
        """Mids 0.50 at once, 0.505 and 0.51 in the third minute, 0.515 in the sixth."""
        scene = VenueScene()
        scene.show(48, 52)
        scene.wait(150)
        scene.show(49, 52)
        scene.wait(5)
        scene.show(50, 52)
        scene.wait(180)
        scene.show(51, 52)
        return scene

    def test_it_has_the_mids_of_either_token_as_they_were(self) -> None:
        scene = self.scene()
        points = scene.get("/prices-history", market=YES, interval="max", fidelity=1)["history"]
        assert [point["p"] for point in points] == [0.5, 0.51, 0.515]
        assert [point["t"] for point in points] == [START_S, START_S + 155, START_S + 335]
        mirrored = scene.get("/prices-history", market=NO, interval="max")["history"]
        assert [point["p"] for point in mirrored] == [0.5, 0.49, 0.485]
        assert scene.get("/prices-history", market="999") == {"history": []}

    def test_a_span_and_a_fidelity_choose_among_them(self) -> None:
        scene = self.scene()
        span = scene.get("/prices-history", market=YES, startTs=START_S + 60, endTs=START_S + 200)["history"]
        assert [point["p"] for point in span] == [0.51]
        assert len(scene.get("/prices-history", market=YES, interval="1h", fidelity=60)["history"]) == 1
        said = scene.ask("POST", "/batch-prices-history", {"markets": [YES, NO], "interval": "1d", "fidelity": 1})
        assert {token: len(points) for token, points in msgspec.json.decode(said.body)["history"].items()} == {YES: 3, NO: 3}

    @pytest.mark.parametrize("asked", [{"interval": "2d"}, {"fidelity": "x"}, {"fidelity": 0}, {"startTs": 9, "endTs": 3}])
    def test_what_makes_no_sense_is_refused(self, asked: dict[str, Any]) -> None:
        said = VenueScene().ask("GET", "/prices-history", market=YES, **asked)
        assert said.status == 400
        assert error(VenueScene().ask("POST", "/batch-prices-history", {"markets": []})) == (400, "Invalid payload")


class TestPages:
    def test_a_list_is_walked_by_its_cursor_to_the_end(self) -> None:
        rows = [{"n": n} for n in range(7)]
        seen, cursor = [], "MA=="
        while cursor != "LTE=":
            page = msgspec.json.decode(paging.page(rows, {"next_cursor": cursor}, 3).body)
            assert list(page) == ["limit", "next_cursor", "count", "data"] and page["count"] == len(page["data"]) <= page["limit"] == 3
            seen += page["data"]
            cursor = page["next_cursor"]
        assert seen == rows
        assert msgspec.json.decode(paging.page(rows, {}, 7).body)["next_cursor"] == "LTE="

    @pytest.mark.parametrize("cursor", ["LTE=", "x", "MQ", "bm8="])
    def test_a_cursor_that_is_none_is_refused(self, cursor: str) -> None:
        assert error(paging.page([], {"next_cursor": cursor})) == (400, "next item should be greater than or equal to 0")

    def test_open_orders_and_trades_have_pages(self) -> None:
        scene = VenueScene()
        names = [scene.rest(cents=cents) for cents in (40, 41)]
        page = scene.get("/data/orders", signed=True)
        assert ([row["id"] for row in page["data"]], page["next_cursor"], page["count"]) == (names, "LTE=", 2)
        assert scene.get("/data/orders", signed=True, next_cursor=paging.cursor(1))["data"] == page["data"][1:]
        scene.act(SELL, 41, 5, Lasts.FAK)
        scene.wait(20)
        scene.act(SELL, 41, 5, Lasts.FAK)
        assert [row["size"] for row in scene.get("/data/trades", signed=True)["data"]] == ["5", "5"]
        middle = START_S + 10
        for asked in ({"after": middle}, {"before": middle}, {"asset_id": YES}, {"asset_id": OTHER.yes}, {"maker_address": "0x00"}):
            found = scene.get("/data/trades", signed=True, **asked)["data"]
            assert len(found) == {"after": 1, "before": 1, "asset_id": 2 * (asked.get("asset_id") == YES)}.get(next(iter(asked)), 0)

    def test_markets_have_pages_and_sampling_ones_rewards(self) -> None:
        scene = VenueScene()
        assert [row["condition_id"] for row in scene.get("/markets")["data"]] == [MARKET.id, OTHER.id]
        assert [row["condition_id"] for row in scene.get("/markets", next_cursor=paging.cursor(1))["data"]] == [OTHER.id]
        assert [row["condition_id"] for row in scene.get("/sampling-simplified-markets")["data"]] == [MARKET.id]


class TestGamma:
    def test_events_hold_their_markets(self) -> None:
        scene = VenueScene()
        scene.show()
        whole = scene.get("/gamma/events/keyset", limit=1)
        (event,) = whole["events"]
        assert (event["slug"], event["enableNegRisk"], whole["next_cursor"]) == (MARKET.slug, False, "1")
        (market,) = event["markets"]
        assert market["conditionId"] == MARKET.id and market["bestBid"] == 0.48
        following = scene.get("/gamma/events/keyset", limit=1, after_cursor=whole["next_cursor"])
        assert [one["slug"] for one in following["events"]] == [OTHER.slug] and "next_cursor" not in following
        assert scene.get("/gamma/events", slug=OTHER.slug)[0]["markets"][0]["slug"] == OTHER.slug

    def test_the_offset_lists_say_that_they_will_go(self) -> None:
        said = VenueScene().ask("GET", "/gamma/events", closed="false")
        assert said.headers == {"deprecation": "true", "sunset": "Fri, 01 May 2026", "warning": '299 - "use /events/keyset"'}

    def test_one_market_and_one_event_by_id_and_slug(self) -> None:
        scene = VenueScene()
        for kind in ("markets", "events"):
            assert scene.get(f"/gamma/{kind}/2")["slug"] == scene.get(f"/gamma/{kind}/slug/{OTHER.slug}")["slug"] == OTHER.slug
            missing = scene.ask("GET", f"/gamma/{kind}/9")
            assert (missing.status, msgspec.json.decode(missing.body)["error"]) == (404, "id not found")

    def test_a_resolved_market_is_closed_at_its_result(self) -> None:
        scene = VenueScene()
        scene.matching.resolve(MARKET.id, ONE, scene.at)
        assert [one["slug"] for one in scene.get("/gamma/markets/keyset")["markets"]] == [OTHER.slug]
        (gone,) = scene.get("/gamma/markets/keyset", closed="true")["markets"]
        assert (gone["outcomePrices"], gone["umaResolutionStatus"], gone["acceptingOrders"]) == ('["1", "0"]', "resolved", False)


def test_positions_come_in_parts() -> None:
    scene = VenueScene()
    wallet = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
    scene.show()
    scene.post(cents=52, shares=10)
    scene.wait(10)
    (held,) = scene.get("/data-api/positions", user=wallet)
    assert (held["asset"], held["size"], held["oppositeAsset"], held["outcomeIndex"]) == (YES, 10, NO, 0)
    page = scene.get("/data-api/v2/positions", user=wallet, limit=1)
    assert page["pagination"] == {"limit": 1, "offset": 0, "has_more": False, "next_cursor": None}
    assert scene.get("/data-api/positions", user=wallet, offset=1) == []
    assert scene.ask("GET", "/data-api/positions", user=wallet, limit="many").status == 400


def test_readonly_keys_are_made_listed_checked_and_ended() -> None:
    scene = VenueScene()
    made = msgspec.json.decode(scene.ask("POST", "/auth/readonly-api-key", signed=True).body)["apiKey"]
    other = msgspec.json.decode(scene.ask("POST", "/auth/readonly-api-key", signed=True).body)["apiKey"]
    assert scene.get("/auth/readonly-api-keys", signed=True) == [made, other] and made != other
    owner = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    assert scene.get("/auth/validate-readonly-api-key", address=owner, key=made) == owner.lower()
    assert msgspec.json.decode(scene.ask("DELETE", "/auth/readonly-api-key", {"key": made}, signed=True).body) is True
    assert scene.get("/auth/readonly-api-keys", signed=True) == [other]
    assert scene.ask("GET", "/auth/validate-readonly-api-key", address=owner, key=made).status == 401
    assert scene.ask("DELETE", "/auth/readonly-api-key", {"key": made}, signed=True).status == 400
    assert scene.ask("POST", "/auth/readonly-api-key").status == 401


def test_the_crowd_may_stand_on_both_sides() -> None:
    scene = VenueScene()
    scene.act(BUY, 30, 10)
    assert scene.get("/midpoint", token_id=YES) == {"mid": "0.65"}
    assert scene.get("/fee-rate", token_id=YES) == {"base_fee": 1000}


def test_a_markets_compact_terms_are_told_as_they_were_captured_and_what_is_false_is_left_out() -> None:
    """As a live answer of 2026-09 had it: `r` names the least size and the widest spread rewarded, `e` whether anything is paid."""
    scene = VenueScene()
    said = scene.get(f"/clob-markets/{MARKET.id}")
    assert list(said) == ["r", "t", "c", "mos", "mts", "mbf", "tbf", "ao", "cbos", "aot", "ibce", "fd", "v"]
    terms = MARKET.rewards
    assert said["r"] == {"mi": terms.min_size / 1e6, "ma": terms.max_spread_cents, "e": True}
    assert (said["c"], said["mos"], said["mts"], said["mbf"], said["v"]) == (MARKET.id, 5, 0.01, 1000, "v1")
    scene.venue.matching.close(MARKET.id, START)
    assert "ao" not in scene.get(f"/clob-markets/{MARKET.id}") and scene.get(f"/clob-markets/{OTHER.id}")["r"] == {}
