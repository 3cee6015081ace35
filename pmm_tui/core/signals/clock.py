"""How far the venue's clock surely is from ours, and what that stops: quotes, then the desk.

A reading is a question and its answer in whole seconds, given at some time in between: it says no more than from where to where the
difference is, and a slow answer says little. What kills has to be said by two readings in a row that agree.
"""

from typing import Annotated

from msgspec import Meta, Struct

from pmm_tui.core.events import ClockSeen


class ClockKnobs(Struct, frozen=True):
    """How far the clocks may be apart."""

    clock_reduce_s: Annotated[
        float, Meta(ge=1, le=60, description="pull the quotes while the venue's clock is farther from ours than this, seconds")
    ] = 2.0
    clock_halt_s: Annotated[
        float, Meta(ge=1, le=600, description="kill when two readings in a row say that it is farther than this, seconds")
    ] = 10.0


def surely_off(seen: ClockSeen) -> int:
    """The least difference that the reading allows, nanoseconds; positive: the venue's clock is ahead; 0 where they may be the same."""
    return seen.least if seen.least > 0 else min(0, seen.most)


def off_text(seen: ClockSeen) -> str:
    """The middle of a reading, for people."""
    return f"the venue's clock is {(seen.least + seen.most) / 2e9:+.1f} s from ours"


def held_by(seen: ClockSeen | None, knobs: ClockKnobs) -> str:
    """Why the clock forbids quotes; empty where it does not."""
    if seen is None or abs(surely_off(seen)) <= knobs.clock_reduce_s * 1e9:
        return ""
    return f"clock: {off_text(seen)}"


def agreed(before: ClockSeen | None, seen: ClockSeen) -> tuple[int, int] | None:
    """From where to where two readings in a row both say that the difference is; None where they contradict each other."""
    if before is None or max(before.least, seen.least) > min(before.most, seen.most):
        return None
    return max(before.least, seen.least), min(before.most, seen.most)


def kills(before: ClockSeen | None, seen: ClockSeen, knobs: ClockKnobs) -> bool:
    """Whether each of two readings that agree says that the clocks are too far apart to trade at all."""
    if before is None or agreed(before, seen) is None:
        return False
    return min(abs(surely_off(before)), abs(surely_off(seen))) > knobs.clock_halt_s * 1e9
