"""Both layers of rate limits: exactly as many as the venue's pages allow, told on every answer, and given back with time."""

import msgspec
import pytest

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.habits import Habits
from pmm_tui.exchange.limits import TIERS, Limits, cost_of
from pmm_tui.exchange.terms import Answer, Ask
from tests.exchange.venue_scene import START, VenueScene, error

AT = Nanos(1_782_753_600 * SECOND)  # a whole ten minutes
ON = Habits(limits="on")


def later(seconds: float) -> Nanos:
    return Nanos(AT + round(seconds * SECOND))


def passed(limits: Limits, ask: Ask, times: int, at: Nanos) -> int:
    """How many of these requests get by the network in front."""
    return sum(limits.in_front(ask, at) is None for _ in range(times))


class TestInFront:
    @pytest.mark.parametrize(
        ("method", "path", "most"),
        [
            ("GET", "/tick-size", 200),
            ("GET", "/tick-size/123", 200),
            ("GET", "/book", 1_500),
            ("POST", "/books", 500),
            ("GET", "/balance-allowance/update", 50),
            ("GET", "/auth/derive-api-key", 100),
            ("DELETE", "/cancel-all", 250),
            ("POST", "/orders", 2_000),
            ("GET", "/gamma/markets/keyset", 300),
            ("GET", "/data-api/v2/positions", 150),
            ("GET", "/markets", 9_000),
        ],
    )
    def test_ten_seconds_hold_so_many(self, method: str, path: str, most: int) -> None:
        limits = Limits()
        ask = Ask(method, path)
        assert passed(limits, ask, most + 5, AT) == most
        assert passed(limits, ask, most + 5, later(20)) == most
        assert passed(limits, ask, 1, later(35)) == 1

    def test_the_window_slides(self) -> None:
        limits = Limits()
        assert passed(limits, Ask("GET", "/ok"), 100, later(9)) == 100
        assert passed(limits, Ask("GET", "/ok"), 100, later(15)) == 50

    def test_ten_minutes_hold_less_than_sixty_bursts(self) -> None:
        limits = Limits()
        sweep = Ask("DELETE", "/cancel-all")
        whole = sum(passed(limits, sweep, 250, later(20 * turn)) for turn in range(30))
        assert whole == 6_000
        assert passed(limits, sweep, 1, later(599.9)) == 0

    def test_addresses_and_paths_are_counted_apart_and_together(self) -> None:
        limits = Limits()
        assert passed(limits, Ask("GET", "/ok"), 150, AT) == 100
        assert passed(limits, Ask("GET", "/ok", ip="10.0.0.1"), 150, AT) == 100
        assert passed(limits, Ask("GET", "/time"), 9_000, AT) == 8_900  # the whole CLOB has 9,000
        assert passed(limits, Ask("GET", "/gamma/events"), 600, AT) == 500
        assert passed(limits, Ask("GET", "/gamma/markets"), 600, AT) == 300

    def test_the_refusal_is_the_networks_page(self) -> None:
        limits = Limits()
        passed(limits, Ask("GET", "/ok"), 100, later(3))
        said = limits.in_front(Ask("GET", "/ok"), later(3))
        assert said is not None and (said.status, said.kind, said.headers["retry-after"]) == (429, "text/html", "7")
        assert b"Error 1015" in said.body


class TestSigner:
    def charged(self, limits: Limits, cost: int, at: Nanos, habits: Habits = ON, kind: str = "orders") -> Answer | None:
        return limits.charge("0xme", kind, cost, habits, at).refused

    @pytest.mark.parametrize("tier", TIERS)
    def test_a_burst_and_then_the_rate(self, tier: str) -> None:
        orders, burst, cancels, cancel_burst = TIERS[tier]
        habits = msgspec.convert({"limits": "on", "tier": tier}, Habits)
        for kind, rate, most in (("orders", orders, burst), ("cancels", cancels, cancel_burst)):
            limits = Limits()
            assert sum(self.charged(limits, 1, AT, habits, kind) is None for _ in range(most + 9)) == most
            assert sum(self.charged(limits, 1, later(1), habits, kind) is None for _ in range(most + 9)) == rate

    def test_a_batch_is_taken_whole_or_not_at_all_and_never_above_the_burst(self) -> None:
        limits = Limits()
        assert self.charged(limits, 15, AT) is None and self.charged(limits, 15, AT) is None and self.charged(limits, 15, AT) is None
        assert self.charged(limits, 14, AT) is None
        refused = self.charged(limits, 15, AT)
        assert refused is not None and error(refused) == (429, "Too Many Requests")
        assert (refused.headers["retry-after"], refused.headers["poly-ratelimit-remaining"]) == ("1", "1")
        assert self.charged(limits, 1, AT) is None  # what was refused cost nothing
        assert self.charged(limits, 15, later(0.375)) is None
        for wait_s in (10, 100):
            assert self.charged(limits, 61, later(wait_s)) is not None

    def test_a_sweep_owes_what_it_cancelled_unless_the_tier_may_not(self) -> None:
        for tier, wait_s in (("Standard", 6), ("Elite", 1)):
            limits, habits = Limits(), msgspec.convert({"limits": "on", "tier": tier}, Habits)
            assert self.charged(limits, 1, AT, habits, "cancels") is None
            limits.sweep("0xme", TIERS[tier][3] + 399, habits, AT)
            refused = self.charged(limits, 1, AT, habits, "cancels")
            assert refused is not None and refused.headers["retry-after"] == str(wait_s)
            assert self.charged(limits, 1, later(wait_s), habits, "cancels") is None

    def test_costs_are_counted_as_the_venue_does(self) -> None:
        ids = msgspec.json.encode(["a", "b", "b"])
        assert cost_of(Ask("POST", "/order", body=b"{}")) == ("orders", 1)
        assert cost_of(Ask("POST", "/orders", body=b"[{},{}]")) == ("orders", 2)
        assert cost_of(Ask("POST", "/orders", body=b"[")) == ("orders", 1)
        assert cost_of(Ask("DELETE", "/orders", body=ids)) == ("cancels", 3)
        assert cost_of(Ask("DELETE", "/cancel-market-orders", body=b'{"market":"m"}')) == ("cancels", 1)
        assert cost_of(Ask("GET", "/order")) is cost_of(Ask("DELETE", "/auth/api-key")) is cost_of(Ask("POST", "/books")) is None


class TestVenue:
    def test_without_limits_nothing_is_counted_or_told(self) -> None:
        scene = VenueScene()
        answers = [scene.ask("GET", "/ok") for _ in range(150)] + [scene.post() for _ in range(70)]
        assert {said.status for said in answers} == {200} and all(said.headers == {} for said in answers)

    def test_the_sixty_first_order_of_a_second_is_refused_and_every_answer_says_how_many_are_left(self) -> None:
        scene = VenueScene(ON)
        taken = [scene.post(cents=1, shares=5) for _ in range(60)]
        assert {said.status for said in taken} == {200}
        assert [int(said.headers["poly-ratelimit-remaining"]) for said in taken] == list(range(59, -1, -1))
        assert taken[-1].headers["poly-ratelimit-reset"] == str(START // SECOND + 2)
        assert taken[0].headers["poly-ratelimit-tier"] == "Standard"
        refused = scene.post()
        assert error(refused) == (429, "Too Many Requests") and refused.headers["retry-after"] == "1"
        assert len(scene.get("/data/orders", signed=True)["data"]) == 60
        assert scene.cancel("0x" + "00" * 32).status == 200  # cancels have a bucket of their own
        scene.wait(1)
        assert [scene.post(cents=1, shares=5).status for _ in range(41)] == [200] * 40 + [429]

    def test_a_sweep_pays_for_every_order_that_it_cancelled(self) -> None:
        scene = VenueScene(ON)
        for _ in range(60):
            scene.post(cents=1, shares=5)
        first = scene.ask("DELETE", "/cancel-all", signed=True)
        assert first.headers["poly-ratelimit-remaining"] == "119"
        assert scene.ask("DELETE", "/cancel-all", signed=True).headers["poly-ratelimit-remaining"] == "58"

    def test_warnings_refuse_nothing(self) -> None:
        scene = VenueScene(Habits(limits="warn"))
        answers = [scene.post(cents=1, shares=5) for _ in range(62)]
        assert {said.status for said in answers} == {200}
        assert [said.headers.get("poly-ratelimit-warning") for said in answers[58:]] == [None, None, "true", "true"]
        assert {scene.ask("GET", "/ok").status for _ in range(150)} == {200}

    def test_who_is_nobody_pays_nothing(self) -> None:
        scene = VenueScene(ON)
        assert {scene.ask("POST", "/order", {}).status for _ in range(80)} == {401}
        assert scene.post().headers["poly-ratelimit-remaining"] == "59"

    def test_the_front_stands_before_the_key(self) -> None:
        scene = VenueScene(ON)
        statuses = [scene.ask("GET", "/auth/api-keys").status for _ in range(101)]
        assert statuses == [401] * 100 + [429]
