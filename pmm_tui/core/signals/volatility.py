"""How much the mid moves: an average of its squared moves that forgets with time, and what to use where it is not to be believed."""

from math import exp, inf, sqrt
from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.units import Nanos

_MINUTE_ROOT = sqrt(60.0)


class VolKnobs(Struct, frozen=True):
    """Volatility of the mid. The two sigmas are per square root of a minute: 0.01 is about one cent a minute."""

    min_sigma_usdc_per_sqrt_min: Annotated[
        float, Meta(gt=0, le=1, description="MIN_SIGMA: the volatility in force is never below this, dollars per square root of a minute")
    ] = 0.005
    fallback_sigma_usdc_per_sqrt_min: Annotated[
        float, Meta(gt=0, le=1, description="volatility in force while there is no estimate, dollars per square root of a minute")
    ] = 0.01
    vol_tau_s: Annotated[float, Meta(ge=1, le=86_400, description="moves this long ago count a third (1/e) of those now, seconds")] = 60.0
    vol_samples_min: Annotated[int, Meta(ge=1, le=100_000, description="moves to have seen before the estimate is believed")] = 20
    vol_dt_floor_ms: Annotated[
        int, Meta(ge=1, le=60_000, description="changes of the mid closer together than this are one move, milliseconds")
    ] = 50


def effective_sigma(estimate: float, samples: int, knobs: VolKnobs) -> tuple[float, str]:
    """The volatility in force and where it comes from (estimate, floor, fallback), both sigmas in dollars per square root of a second.

    Finiteness is asked first: max(0.005, nan) is 0.005, a default where there is no knowledge.
    """
    floor = knobs.min_sigma_usdc_per_sqrt_min / _MINUTE_ROOT
    if not 0.0 <= estimate < inf or samples < knobs.vol_samples_min:
        return max(floor, knobs.fallback_sigma_usdc_per_sqrt_min / _MINUTE_ROOT), "fallback"
    if estimate < floor:
        return floor, "floor"
    return estimate, "estimate"


class Volatility:
    """An exponentially weighted mean of squared moves per second, for irregular times: w = e^(-dt/tau), v <- w v + (1 - w) dp^2/dt.

    A move is taken once the floor of time has passed since the last one: a sweep through several levels within milliseconds is one move. A
    change seen within the floor is not lost, it is part of the next move. The mean starts from the fallback.
    """

    __slots__ = ("_at", "_floor_ns", "_knobs", "_mid", "_minus_rate", "samples", "variance")

    def __init__(self, knobs: VolKnobs) -> None:
        self.variance = knobs.fallback_sigma_usdc_per_sqrt_min**2 / 60.0
        """Squared dollars per second."""
        self.samples = 0
        self._mid = 0.0
        self._at = Nanos(0)
        self.retune(knobs)

    def retune(self, knobs: VolKnobs) -> None:
        """Take new knobs; what was learned stays."""
        self._knobs = knobs
        self._floor_ns = knobs.vol_dt_floor_ms * 1_000_000
        self._minus_rate = -1e-9 / knobs.vol_tau_s

    def update(self, mid: float, at: Nanos) -> None:
        """The mid (dollars) at a time. A mid outside (0, 1), or none (NaN), is no mid and changes nothing."""
        nanos = at - self._at
        if nanos < self._floor_ns or not 0.0 < mid < 1.0:
            return
        if self._mid:
            move = mid - self._mid
            keep = exp(nanos * self._minus_rate)
            self.variance = keep * self.variance + (1.0 - keep) * move * move / nanos * 1e9
            self.samples += 1
        self._mid = mid
        self._at = at

    def effective(self) -> tuple[float, str]:
        """The volatility in force, dollars per square root of a second, and its source: estimate, floor or fallback."""
        return effective_sigma(sqrt(self.variance), self.samples, self._knobs)
