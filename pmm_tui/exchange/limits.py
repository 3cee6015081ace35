"""The venue's two layers of rate limits: windows by address in front of it, and token buckets by signer on trading (polymarket.md §7)."""

import msgspec
from msgspec import Struct

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange import shapes
from pmm_tui.exchange.habits import Habits
from pmm_tui.exchange.terms import Answer, Ask

TOO_MANY = "Too Many Requests"
BURST_S, SUSTAINED_S = 10, 600
_PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1><hr><center>cloudflare</center></body></html>"
_TITLE = "Error 1015: You are being rate limited"

_TRADING = {
    ("POST", "/order"): (5_000, 120_000),
    ("DELETE", "/order"): (5_000, 120_000),
    ("POST", "/orders"): (2_000, 21_000),
    ("DELETE", "/orders"): (2_000, 15_000),
    ("DELETE", "/cancel-all"): (250, 6_000),
    ("DELETE", "/cancel-market-orders"): (1_500, 21_000),
}
"""Requests in ten seconds, and in ten minutes."""
_READING = {
    "/book": 1_500, "/price": 1_500, "/midpoint": 1_500, "/books": 500, "/prices": 500, "/midpoints": 500, "/prices-history": 1_000,
    "/tick-size": 200, "/data/orders": 500, "/data/trades": 500, "/data/order": 900, "/notifications": 125, "/ok": 100,
    "/balance-allowance": 200, "/balance-allowance/update": 50, "/auth/api-key": 100, "/auth/api-keys": 100, "/auth/derive-api-key": 100,
}  # fmt: skip
"""Requests in ten seconds."""
_SERVICES: dict[str, tuple[int, dict[str, tuple[int, ...]]]] = {
    "/gamma": (4_000, {"/events": (500, 900), "/markets": (300, 900)}),
    "/data-api": (1_000, {"/trades": (200,), "/positions": (150,)}),
}
"""By the service's path here: all of it in ten seconds, and its dearer parts; both of Gamma's lists together may have 900."""
ALL, CLOB = 15_000, 9_000

TIERS = {
    "Standard": (40, 60, 80, 120),
    "Copper": (60, 90, 120, 180),
    "Bronze": (80, 120, 160, 240),
    "Silver": (200, 300, 400, 600),
    "Gold": (400, 600, 800, 1_200),
    "Platinum": (450, 675, 900, 1_350),
    "Diamond": (525, 787, 1_050, 1_575),
    "Elite": (600, 900, 1_200, 1_800),
}
"""Orders a second and their burst, cancels a second and theirs."""
_OWING = ("Standard", "Copper", "Bronze", "Silver", "Gold")
"""Tiers whose cancel bucket a sweep may leave below zero."""


class _Window(Struct):
    """One sliding window as the network in front counts it: this span's requests and, weighted by its overlap, the last one's."""

    begin: int = 0
    now: int = 0
    before: int = 0

    def count(self, at: Nanos, span_s: int) -> float:
        """How many requests it holds now."""
        span = span_s * SECOND
        begin = at // span
        if begin != self.begin:
            self.before = self.now if begin == self.begin + 1 else 0
            self.begin, self.now = begin, 0
        return self.now + self.before * (1 - (at % span) / span)


class _Bucket(Struct):
    """Tokens in billionths, so that nothing is rounded away."""

    level: int
    at: Nanos

    def fill(self, rate: int, burst: int, at: Nanos) -> None:
        """Let time pass."""
        self.level = min(burst * SECOND, self.level + rate * max(0, at - self.at))
        self.at = at

    def wait_s(self, rate: int, wanted: int) -> int:
        """Whole seconds until it holds so many billionths."""
        return max(0, -(-(wanted - self.level) // (rate * SECOND)))


class Toll(Struct, frozen=True):
    """What a trading request costs its signer: the headers of its answer, and the answer in its place where it is too much."""

    headers: dict[str, str]
    refused: Answer | None = None


class Limits:
    """Both layers' counts. `habits` says whether and for which tier they hold."""

    def __init__(self) -> None:
        self._windows: dict[tuple[str, str, int], _Window] = {}
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def in_front(self, ask: Ask, at: Nanos) -> Answer | None:
        """Count a request by its address; the network's page where that is one too many."""
        rules = _rules(ask)
        windows = [(self._windows.setdefault((ask.ip, name, span_s), _Window()), most, span_s) for name, most, span_s in rules]
        over = [(span_s, at % (span_s * SECOND)) for window, most, span_s in windows if window.count(at, span_s) >= most]
        if over:
            wait_s = max(1, max(span_s - into // SECOND for span_s, into in over))
            headers = {"server": "cloudflare", "retry-after": str(wait_s)}
            return Answer(429, _PAGE.format(_TITLE).encode(), headers, "text/html")
        for window, _, _ in windows:
            window.now += 1
        return None

    def charge(self, signer: str, kind: str, cost: int, habits: Habits, at: Nanos) -> Toll:
        """Take a request's cost from its signer's bucket of `orders` or `cancels`, all of it or, where it is too much, nothing."""
        bucket, rate, burst = self._bucket(signer, kind, habits, at)
        wanted = cost * SECOND
        fits = bucket.level >= wanted
        bucket.level -= wanted if fits else 0
        headers = {
            "poly-ratelimit-remaining": str(max(0, bucket.level // SECOND)),
            "poly-ratelimit-reset": str(at // SECOND + bucket.wait_s(rate, burst * SECOND)),
            "poly-ratelimit-tier": habits.tier,
        }
        if fits:
            return Toll(headers)
        if habits.limits == "warn":
            return Toll(headers | {"poly-ratelimit-warning": "true"})
        wait_s = max(1, bucket.wait_s(rate, min(wanted, burst * SECOND)))
        return Toll(headers, shapes.answer({"error": TOO_MANY}, 429, headers | {"retry-after": str(wait_s)}))

    def sweep(self, signer: str, cancelled: int, habits: Habits, at: Nanos) -> None:
        """A sweep (all orders, or a market's) cost one; what it cancelled comes on top, below zero where the tier may owe."""
        bucket, _, _ = self._bucket(signer, "cancels", habits, at)
        bucket.level -= cancelled * SECOND
        if habits.tier not in _OWING:
            bucket.level = max(0, bucket.level)

    def _bucket(self, signer: str, kind: str, habits: Habits, at: Nanos) -> tuple[_Bucket, int, int]:
        rate, burst = TIERS[habits.tier][:2] if kind == "orders" else TIERS[habits.tier][2:]
        bucket = self._buckets.setdefault((signer, kind), _Bucket(burst * SECOND, at))
        bucket.fill(rate, burst, at)
        return bucket, rate, burst


def _rules(ask: Ask) -> list[tuple[str, int, int]]:
    """What a request counts against: a name, how many are allowed, in how many seconds."""
    rules = [("all", ALL, BURST_S)]
    for service, (most, parts) in _SERVICES.items():
        if ask.path.startswith(service + "/"):
            rules.append((service, most, BURST_S))
            for path, limits in parts.items():
                if ask.path.removeprefix(service).removeprefix("/v2").startswith(path):
                    names = (service + path, service + " lists")
                    rules += [(name, count, BURST_S) for name, count in zip(names, limits, strict=False)]
            return rules
    rules.append(("clob", CLOB, BURST_S))
    traded = _TRADING.get((ask.method, ask.path))
    if traded is not None:
        name = f"{ask.method} {ask.path}"
        return [*rules, (name, traded[0], BURST_S), (name, traded[1], SUSTAINED_S)]
    path = ask.path if ask.path in _READING else ask.path.rpartition("/")[0]
    return [*rules, (path, _READING[path], BURST_S)] if path in _READING else rules


def cost_of(ask: Ask) -> tuple[str, int] | None:
    """Which bucket a trading request draws from, `orders` or `cancels`, and how much; None for every other request."""
    if ask.method == "POST":
        return ("orders", _count(ask)) if ask.path in ("/order", "/orders") else None
    if ask.method != "DELETE" or ("DELETE", ask.path) not in _TRADING:
        return None
    return "cancels", _count(ask) if ask.path == "/orders" else 1


def _count(ask: Ask) -> int:
    """How many orders a body names; 1 where it cannot be read: it is refused for that later, and was a request all the same."""
    try:
        said = msgspec.json.decode(ask.body)
    except (msgspec.DecodeError, RecursionError):
        return 1
    return max(1, len(said)) if isinstance(said, list) else 1
