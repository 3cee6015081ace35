"""What a drill of crashes met, counted and put into words."""

from typing import Any

from msgspec import Struct, field, to_builtins


class Tally(Struct):
    """What a drill met."""

    kills: int = 0
    while_starting: int = 0
    orders: int = 0
    """Signed, over all runs."""
    acknowledged: int = 0
    """So many of them the exchange said it took."""
    left_resting: int = 0
    """Orders that rested at the exchange when a desk had been killed."""
    fills: int = 0
    unseen: int = 0
    """Fills that the desk was killed before it knew of."""
    late: int = 0
    """Orders that the exchange booked only when the next desk was up; each was cancelled by it."""
    torn: int = 0
    """Journals that ended inside a line."""
    starts_s: list[float] = field(default_factory=list)
    """From a desk's start until its orders may leave."""


def figures(tally: Tally) -> dict[str, Any]:
    """The tally with the starts summed up, milliseconds."""
    starts = sorted(tally.starts_s)
    summed = {"median": starts[len(starts) // 2], "worst": starts[-1]} if starts else {}
    told: dict[str, Any] = to_builtins(tally)
    del told["starts_s"]
    return told | {"start_ms": {name: round(1e3 * value) for name, value in summed.items()}}


def table(tally: Tally) -> str:
    """The same for people."""
    told = figures(tally)
    start = told["start_ms"]
    return (
        f"{told['kills']} kills, {told['while_starting']} of them while it started: nothing acknowledged was lost, no order forgotten\n"
        f"{told['orders']} orders signed, {told['acknowledged']} acknowledged, {told['left_resting']} rested when their desk was dead\n"
        f"{told['fills']} fills, {told['unseen']} of them not known to the desk that was killed; {told['torn']} journals torn\n"
        f"{told['late']} orders were booked only when the next desk was up, and were cancelled by it\n"
        f"start until orders may leave: median {start.get('median', 0)} ms, worst {start.get('worst', 0)} ms"
    )
