"""The switches of conflicting evidence, the modes of the matching engine, and the path that sets both."""

from typing import Any

import msgspec
import pytest

from pmm_tui.core.units import SECOND, SHARE, Nanos, Size
from pmm_tui.exchange.habits import CANCEL_ONLY, DISABLED, Habits
from pmm_tui.exchange.terms import Answer, Ask
from tests.exchange.signing import EOA, signed
from tests.exchange.signing import order as terms_of
from tests.exchange.venue_scene import MARKET, VenueScene, error


def decoded(said: Answer) -> Any:
    return msgspec.json.decode(said.body)


class TestModes:
    def orders(self, scene: VenueScene) -> dict[str, int]:
        """The status of each kind of order request."""
        name = next(iter(scene.matching.orders))
        both = [scene.body(post_only=True), scene.body(post_only=True)]
        return {
            "plain": scene.post().status,
            "post-only": scene.post(post_only=True).status,
            "batch": scene.ask("POST", "/orders", both, signed=True).status,
            "mixed batch": scene.ask("POST", "/orders", [*both, scene.body()], signed=True).status,
            "cancel": scene.cancel(name).status,
            "sweep": scene.ask("DELETE", "/cancel-all", signed=True).status,
        }

    @pytest.mark.parametrize(
        ("mode", "statuses"),
        [
            ("open", [200, 200, 200, 200, 200, 200]),
            ("restarting", [425, 425, 425, 425, 425, 425]),
            ("post_only", [503, 200, 200, 503, 200, 200]),
            ("cancel_only", [503, 503, 503, 503, 200, 200]),
            ("disabled", [503, 503, 503, 503, 503, 503]),
        ],
    )
    def test_a_mode_takes_what_it_takes(self, mode: Any, statuses: list[int]) -> None:
        scene = VenueScene()
        scene.rest()
        scene.venue.modes.set(mode)
        assert list(self.orders(scene).values()) == statuses
        assert scene.get("/data/orders", signed=True)["limit"] == 500  # reading goes on in every mode

    def test_the_words_are_the_venues(self) -> None:
        scene = VenueScene()
        scene.venue.modes.set("cancel_only")
        assert error(scene.post()) == (503, CANCEL_ONLY)
        scene.venue.modes.set("disabled")
        assert error(scene.post()) == error(scene.cancel("0x0")) == (503, DISABLED)
        scene.venue.modes.set("restarting")
        assert error(scene.post()) == (425, "service not ready")

    def test_a_restart_is_followed_by_two_minutes_of_post_only(self) -> None:
        scene = VenueScene()
        scene.venue.modes.set("restarting", Nanos(scene.at + 30 * SECOND))
        scene.wait(29)
        assert scene.post(post_only=True).status == 425
        scene.wait(42)
        refused = scene.post()
        assert (refused.status, refused.headers) == (503, {"retry-after": "79"})
        assert decoded(refused) == {
            "error": "post-only mode: only post-only orders and cancels are allowed",
            "code": "post_only_mode",
            "retry_after_seconds": 79,
        }
        assert scene.post(post_only=True).status == 200
        scene.wait(79)
        assert scene.post().status == 200

    def test_what_is_wrong_with_an_order_is_said_before_the_mode(self) -> None:
        scene = VenueScene()
        scene.venue.modes.set("cancel_only")
        body = scene.body()
        body["order"]["signature"] = "0x" + "11" * 65
        assert scene.ask("POST", "/order", body, signed=True).status == 400
        assert scene.ask("POST", "/order", {}, signed=True).status == 400

    @pytest.mark.parametrize("wrong", ["tick", "amounts", "expiration"])
    def test_the_mode_is_said_before_what_is_wrong_with_its_terms(self, wrong: str) -> None:
        scene = VenueScene()
        told = {"tick": {"makerAmount": "4050000"}, "amounts": {"makerAmount": "4000000", "takerAmount": "10005000"}}.get(wrong, {})
        body = scene.body(kind="GTD" if wrong == "expiration" else "GTC")
        body["order"] = signed(terms_of(salt=9, **told), MARKET) if told else body["order"]
        assert scene.ask("POST", "/order", body, signed=True).status == 400
        scene.venue.modes.set("cancel_only")
        assert error(scene.ask("POST", "/order", body, signed=True)) == (503, CANCEL_ONLY)


def test_an_id_that_is_none_cannot_be_cancelled() -> None:
    scene = VenueScene()
    for none in ("", "0x1", "0x" + "g0" * 32, "ab" * 33):
        assert error(scene.cancel(none)) == (400, "Invalid orderID")
    assert decoded(scene.cancel("0x" + "00" * 32))["not_canceled"], "an order that nobody knows is reported"


def test_a_balance_is_that_of_the_asset_asked_for() -> None:
    scene = VenueScene()
    scene.matching.give(EOA.lower(), MARKET.yes, Size(7 * SHARE))

    def balance(**asked: str) -> str:
        return str(scene.get("/balance-allowance", signed=True, **asked)["balance"])

    assert balance(asset_type="COLLATERAL") == balance(asset_type="COLLATERAL", token_id=MARKET.yes) == "1000000000"
    assert balance(asset_type="CONDITIONAL", token_id=MARKET.yes) == balance(asset_type="CONDITIONAL-V2", token_id=MARKET.yes) == "7000000"
    for asked in ({"asset_type": "CONDITIONAL"}, {"asset_type": "MONEY"}):
        assert scene.ask("GET", "/balance-allowance", signed=True, **asked).status == 400


class TestSwitches:
    def test_statuses_with_their_prefix(self) -> None:
        for long, order, trade in ((False, "LIVE", "MATCHED"), (True, "ORDER_STATUS_LIVE", "TRADE_STATUS_MATCHED")):
            scene = VenueScene(Habits(long_statuses=long))
            scene.show()
            resting, _ = scene.rest(cents=40), scene.rest(cents=52)
            assert scene.get(f"/data/order/{resting}", signed=True)["status"] == order
            assert [row["status"] for row in scene.get("/data/trades", signed=True)["data"]] == [trade]
            assert scene.get("/data/orders", signed=True)["data"][0]["status"] == order

    @pytest.mark.parametrize(("base", "making", "taking"), [(False, "5.2", "10"), (True, "5200000", "10000000")])
    def test_amounts_in_either_unit(self, base: bool, making: str, taking: str) -> None:
        scene = VenueScene(Habits(base_units=base, transactions_hashes=base))
        scene.show()
        said = decoded(scene.post(cents=52, shares=10))
        assert (said["makingAmount"], said["takingAmount"]) == (making, taking)
        assert ("transactionsHashes" in said) is base

    def test_prices_as_texts_or_as_numbers(self) -> None:
        for numbers, price in ((False, "0.48"), (True, 0.48)):
            scene = VenueScene(Habits(number_prices=numbers))
            scene.show()
            assert scene.get("/prices", token_ids=MARKET.yes, sides="BUY") == {MARKET.yes: {"BUY": price}}

    def test_only_an_order_that_would_take_is_held_and_it_is_judged_after_that(self) -> None:
        scene = VenueScene(Habits(taker_hold_ms=50))
        scene.show()
        assert scene.get(f"/clob-markets/{MARKET.id}")["itode"] and "itode" not in VenueScene().get(f"/clob-markets/{MARKET.id}")

        def held(path: str, *bodies: dict[str, Any]) -> float:
            raw = msgspec.json.encode(list(bodies) if path == "/orders" else bodies[0])
            return scene.venue.judge(Ask("POST", path, "", {}, raw), scene.at).late_ms

        buys = scene.body(cents=52)
        assert held("/order", buys) == held("/order", scene.body(cents=48, side="SELL")) == 50 == held("/orders", scene.body(), buys)
        assert held("/order", scene.body(cents=51)) == held("/order", scene.body(cents=52, post_only=True)) == held("/orders") == 0
        assert held("/order", {"order": {}}) == 0 == held("/order", {"order": buys["order"] | {"takerAmount": "0"}})
        scene.venue.matching.cancel_where("crowd", scene.at)  # within the fifty milliseconds everybody left
        assert decoded(scene.ask("POST", "/order", buys, signed=True))["status"] == "live"

    @pytest.mark.parametrize("most", [1_000, 3_000])
    def test_how_many_cancels_fit_in_one_request(self, most: int) -> None:
        scene = VenueScene(Habits(cancels_max=most))
        ids = [f"0x{number:064x}" for number in range(most + 1)]
        assert scene.ask("DELETE", "/orders", ids[:-1], signed=True).status == 200
        assert error(scene.ask("DELETE", "/orders", ids, signed=True)) == (400, f"Too many orders in payload, max allowed: {most}")


class TestControl:
    def test_it_reads_and_sets_habits_and_mode(self) -> None:
        scene = VenueScene()
        assert scene.get("/-/exchange")["mode"] == "open"
        wish = {"mode": "restarting", "for_s": 5, "habits": {"limits": "on", "tier": "Gold"}}
        said = decoded(scene.ask("POST", "/-/exchange", wish))
        habits = said["habits"]
        assert (said["mode"], habits["limits"], habits["tier"], habits["price_of_buy"]) == ("restarting", "on", "Gold", "bid")
        refused = scene.post()
        assert (refused.status, refused.headers["poly-ratelimit-tier"]) == (425, "Gold")
        scene.wait(6)
        assert scene.get("/-/exchange")["mode"] == "post_only"
        scene.ask("POST", "/-/exchange", {"mode": "open"})
        assert scene.post().headers["poly-ratelimit-remaining"] == "599"

    @pytest.mark.parametrize("wish", [{"mode": "closed"}, {"habits": {"tier": "Tin"}}, {"habits": {"speed": 9}}, {"for": 3}, "x"])
    def test_what_it_does_not_know_changes_nothing(self, wish: Any) -> None:
        scene = VenueScene()
        before = scene.get("/-/exchange")
        assert scene.ask("POST", "/-/exchange", wish).status == 400
        assert scene.get("/-/exchange") == before and MARKET.id in scene.matching.markets
