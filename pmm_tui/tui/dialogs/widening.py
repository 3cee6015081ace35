"""A profile's diff as a dialog shows it, each line with what it does to the risk."""

from pmm_tui.api.widening import risk_of
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.lines import Row, Span

_CHANGES = 14
_SPANS: dict[str, Span] = {
    "wider": ("▲ WIDER, MORE RISK", "alarm"),
    "tighter": ("▼ tighter", "up"),
    "unknown": ("? judge it yourself", "warn"),
    "": ("", ""),
}


def changes(text: str, head: str = "") -> list[Row]:
    """A profile's diff as the desk tells it, line by line, each with what it does to the risk, below what it is a diff of."""
    lines = text.splitlines()
    rows: list[Row] = [((f" {head}", "head"),)] if head else []
    rows += [((f" {f.said(line, 50)} ", ""), _SPANS[risk_of(line)]) for line in lines[:_CHANGES]]
    if len(lines) > _CHANGES:
        rows.append(((f"    and {len(lines) - _CHANGES} more", "warn"),))
    return rows
