"""The kill switch: drawdown against its reference, and the latched sequence that ends with a proof that nothing rests."""

import math
from typing import Annotated, Literal

from msgspec import Meta, Struct

from pmm_tui.core.units import SECOND, Cash, Nanos


class KillKnobs(Struct, frozen=True):
    """When the desk stops by itself."""

    kill_switch_max_drawdown_pct: Annotated[
        float,
        Meta(gt=0, le=100, description="halt when the drawdown reaches this, percent of the reference (25 on paper, 20 in production)"),
    ] = 25.0
    kill_switch_alert_pct: Annotated[
        float, Meta(gt=0, le=100, description="alert when the drawdown reaches this, percent of the reference")
    ] = 15.0
    kill_switch_reference: Annotated[
        Literal["start", "peak"],
        Meta(description="what the drawdown is measured from: the equity at the start, or the highest equity so far"),
    ] = "peak"
    kill_retry_ms: Annotated[
        int, Meta(ge=100, le=60_000, description="while a kill is not verified: cancel all again after this, milliseconds")
    ] = 1_000
    kill_cooldown_s: Annotated[
        float, Meta(ge=0, le=86_400, description="the switch cannot be reset for this long after it tripped, seconds; 0: at once")
    ] = 0.0
    pnl_blind_s: Annotated[float, Meta(ge=1, le=600, description="halt when the equity could not be computed for this long, seconds")] = (
        10.0
    )


class Kill(Struct):
    """The switch. phase: ok | alert | killing | killed. Latched: only a reset goes back to ok."""

    phase: str = "ok"
    why: str = ""
    start: Cash = Cash(0)
    """Equity that the drawdown from the start counts from: the first, or that of the last reset."""
    peak: Cash = Cash(0)
    given: Cash = Cash(0)
    """What the desk may use, and what it made or lost until the last reset: shares held before the run are in `start`, never in this."""
    max_drawdown: Cash = Cash(0)
    blind_since: Nanos = Nanos(0)
    killed_at: Nanos = Nanos(0)
    cancelled_at: Nanos = Nanos(0)
    """When no order of ours was left in our own records."""
    verified_at: Nanos = Nanos(0)
    """When the venue's account said that nothing rests."""
    asked_at: Nanos = Nanos(0)
    asks: int = 0

    def __post_init__(self) -> None:
        self.given = self.given or self.start

    @property
    def stopped(self) -> bool:
        """Admission is closed."""
        return self.phase in ("killing", "killed")


def _measure(kill: Kill, knobs: KillKnobs) -> tuple[Cash, int]:
    """What losses count from, and what their percentage is of.

    That is no more than what the desk was given and made since: shares found in the wallet must not let it lose more.
    """
    reference = kill.peak if knobs.kill_switch_reference == "peak" else kill.start
    return reference, min(reference, kill.given + reference - kill.start)


def drawdown(kill: Kill, equity: Cash, knobs: KillKnobs) -> tuple[Cash, float]:
    """How far below its reference the equity is: positive cash when losing, and in percent."""
    reference, base = _measure(kill, knobs)
    lost = Cash(reference - equity)
    return lost, 100.0 * lost / base if base > 0 else (100.0 if lost > 0 else 0.0)


def halts_at(kill: Kill, knobs: KillKnobs) -> Cash:
    """The equity from which on down the drawdown halts the desk."""
    reference, base = _measure(kill, knobs)
    return Cash(reference - math.ceil(max(0, base) * knobs.kill_switch_max_drawdown_pct / 100))


def watch(kill: Kill, equity: Cash | None, at: Nanos, knobs: KillKnobs) -> str:
    """Look at the equity (None: it cannot be computed). Returns what changed: '' | 'alert' | 'recovered' | the reason to kill."""
    if equity is None:
        if not kill.blind_since:
            kill.blind_since = at
        elif at - kill.blind_since >= knobs.pnl_blind_s * 1e9 and not kill.stopped:
            return f"PnL could not be computed for {knobs.pnl_blind_s:g} s"
        return ""
    kill.blind_since = Nanos(0)
    kill.peak = max(kill.peak, equity)
    lost, pct = drawdown(kill, equity, knobs)
    kill.max_drawdown = max(kill.max_drawdown, lost)
    if kill.stopped:
        return ""
    if pct >= knobs.kill_switch_max_drawdown_pct:
        return f"drawdown {pct:.2f} % of the {knobs.kill_switch_reference} reached {knobs.kill_switch_max_drawdown_pct:g} %"
    if kill.phase == "ok" and pct >= knobs.kill_switch_alert_pct:
        kill.phase = "alert"
        return "alert"
    if kill.phase == "alert" and pct < 0.8 * knobs.kill_switch_alert_pct:
        kill.phase = "ok"
        return "recovered"
    return ""


def resets_at(kill: Kill, knobs: KillKnobs) -> Nanos:
    """From when on a verified kill may be reset."""
    return Nanos(kill.killed_at + round(knobs.kill_cooldown_s * SECOND))


def trip(kill: Kill, why: str, at: Nanos) -> None:
    """Latch."""
    kill.phase = "killing"
    kill.why = why
    kill.killed_at = at
    kill.cancelled_at = kill.verified_at = kill.asked_at = Nanos(0)
    kill.asks = 0


def rebase(kill: Kill, equity: Cash) -> None:
    """The account opens with this: losses count from here."""
    kill.start = kill.peak = equity


def found(kill: Kill, cost: Cash) -> None:
    """The wallet held more than was known: that is neither a profit nor room for losses."""
    kill.start, kill.peak = Cash(kill.start + cost), Cash(kill.peak + cost)


def reset(kill: Kill, equity: Cash | None) -> None:
    """Reopen: the drawdown counts from the equity of this moment, or the switch would trip again at once."""
    base = equity if equity is not None else kill.start
    kill.phase = "ok"
    kill.why = ""
    kill.given = Cash(max(0, kill.given + base - kill.start))
    kill.start = kill.peak = base
    kill.killed_at = kill.cancelled_at = kill.verified_at = kill.asked_at = Nanos(0)
