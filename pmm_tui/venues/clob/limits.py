"""How fast requests may leave: the venue's two layers of limits as token buckets, slowed further at the first sign of throttling."""

from collections import deque
from statistics import median
from typing import Literal

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.venues.clob.knobs import ClobKnobs

WINDOW = 100
BASELINE = 1_000
ENOUGH = 20
"""Latencies that make a p95."""
SLOW = 4.0
CALM_NS = 10 * SECOND
FLOOR_PER_S = 1.0
Lane = Literal["orders", "cancels", "reads"]


class Bucket:
    """Tokens that come back at a rate, up to a burst. Time is an argument."""

    __slots__ = ("_at", "burst", "level", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        """Full at first. `rate` in tokens a second."""
        self.rate = rate
        self.burst = burst
        self.level = burst
        self._at = Nanos(0)

    def wait(self, count: float, at: Nanos, floor: float = 0.0) -> float:
        """Seconds until `count` may be taken with `floor` left; 0: now. What is more than a full bucket holds waits for a full one."""
        if self._at:
            self.level = min(self.burst, self.level + self.rate * max(0, at - self._at) / SECOND)
        self._at = max(at, self._at)
        short = min(count + floor, self.burst) - self.level
        return 0.0 if short <= 1e-9 else short / self.rate

    def take(self, count: float, at: Nanos, floor: float = 0.0) -> float:
        """Take `count` if they are there: 0. Otherwise nothing is taken, and the answer is how many seconds to wait."""
        wait_s = self.wait(count, at, floor)
        if wait_s == 0.0:
            self.level = self.level - count if count > self.burst else max(0.0, self.level - count)
        return wait_s


class Limits:
    """All buckets of one account. Layer 2 counts orders and cancels for the signer; layer 1 counts requests for the address.

    AIMD: the order rate is halved on 429, and where the p95 of the last hundred POSTs is above four times the long median, since the venue
    queues before it refuses. It comes back by one order a second for every ten calm seconds.
    """

    __slots__ = ("_baseline", "_changed_at", "_full", "_held", "_recent", "_reserve", "_urged", "cancels", "orders", "requests", "slowed")

    def __init__(self, knobs: ClobKnobs) -> None:
        self.orders = Bucket(knobs.clob_orders_per_s, knobs.clob_orders_burst)
        self.cancels = Bucket(knobs.clob_cancels_per_s, knobs.clob_cancels_burst)
        self.requests = Bucket(knobs.clob_requests_per_s, 2 * knobs.clob_requests_per_s)
        self.slowed = 0
        """How often the order rate was halved."""
        self._full = knobs.clob_orders_per_s
        self._reserve = knobs.clob_cancels_burst * knobs.clob_cancel_reserve_pct / 100
        self._recent: deque[int] = deque(maxlen=WINDOW)
        self._baseline: deque[int] = deque(maxlen=BASELINE)
        self._changed_at = Nanos(0)
        self._held: dict[Lane, Nanos] = {}
        """Until when the venue asked for nothing in a lane."""
        self._urged = False
        """A cancel-all left all the same since the venue asked for no cancels."""

    def post(self, count: int, at: Nanos) -> float:
        """Take room for a POST of `count` orders: 0, or the seconds to wait."""
        self._recover(at)
        return self.held("orders", at) or self._both(self.orders, count, at, 0.0)

    def cancel(self, count: int, at: Nanos) -> float:
        """Take room for a cancel of `count` orders, the reserve left alone: 0, or the seconds to wait."""
        return self.held("cancels", at) or self._both(self.cancels, count, at, self._reserve)

    def urgent(self, count: int, at: Nanos) -> float:
        """Take room for a cancel-all over `count` orders, by the reserve or on credit: 0, or the seconds to wait.

        It waits for nothing but the venue's own word, and goes once against that, too.
        """
        held_s = self.held("cancels", at)
        if held_s and self._urged:
            return held_s
        self._urged = bool(held_s)
        self._both(self.cancels, count, at, 0.0)
        return 0.0

    def read(self, at: Nanos) -> float:
        """Take room for one reading request: 0, or the seconds to wait."""
        return self.held("reads", at) or self.requests.take(1, at)

    def answered(self, took: Nanos, at: Nanos) -> None:
        """A POST was answered after `took`."""
        self._recent.append(took)
        self._baseline.append(took)
        p95 = self.p95()
        if p95 is not None and p95 > SLOW * median(self._baseline) and at - self._changed_at >= CALM_NS:
            self._halve(at)

    def limited(self, lane: Lane, retry_after_s: float, at: Nanos) -> None:
        """The venue said 429: nothing leaves in this lane before it said, and orders come slower from then on."""
        self._held[lane] = max(self._held.get(lane, Nanos(0)), Nanos(at + round(retry_after_s * SECOND)))
        if lane == "orders":
            self._halve(at)

    def held(self, lane: Lane, at: Nanos) -> float:
        """Seconds until something may leave in this lane, by what the venue asked for."""
        return max(0, self._held.get(lane, Nanos(0)) - at) / SECOND

    def p95(self) -> int | None:
        """Nanoseconds that 95 of the last 100 POSTs did not exceed; None before there are enough."""
        if len(self._recent) < ENOUGH:
            return None
        return sorted(self._recent)[(95 * len(self._recent) - 1) // 100]

    def middle(self) -> int | None:
        """Nanoseconds that half of the last hundred POSTs did not exceed; None before the first."""
        return sorted(self._recent)[(len(self._recent) - 1) // 2] if self._recent else None

    def _both(self, bucket: Bucket, count: int, at: Nanos, floor: float) -> float:
        wait_s = max(bucket.wait(count, at, floor), self.requests.wait(1, at))
        if wait_s == 0.0:
            bucket.take(count, at, floor)
            self.requests.take(1, at)
        return wait_s

    def _halve(self, at: Nanos) -> None:
        self.orders.rate = max(FLOOR_PER_S, self.orders.rate / 2)
        self._changed_at = at
        self.slowed += 1
        self._recent.clear()

    def _recover(self, at: Nanos) -> None:
        while self.orders.rate < self._full and at - self._changed_at >= CALM_NS:
            self.orders.rate = min(self._full, self.orders.rate + 1)
            self._changed_at = Nanos(self._changed_at + CALM_NS)
