"""The kill switch after it tripped: why, each step with the time it was proven, what is still held, how to reopen."""

from pmm_tui.core.snapshot import KillRow, Snapshot
from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.lines import Row, Span, flow, wrap
from pmm_tui.tui.state import Scene, cools_down, worst_case


def step(number: int, row: KillRow, over: bool, width: int) -> Row:
    """One step of the kill: proven at a time, awaited, or, once the kill is over, not part of it."""
    mark: Span = ("✔ ", "up") if row.at else ("✖ ", "dim") if over else ("· ", "warn")
    when = f.clock(row.at, True) if row.at else f.NONE if over else "not yet"
    style = "" if row.at else "dim" if over else "warn"
    note = f.said(row.note, max(0, width - 37)).rstrip()
    return ((f" {number} ", "head"), mark, (f.said(row.step, 18), "bold"), (f.fit(when, 13), style), (note, style or "dim"))


def _held(snapshot: Snapshot) -> Row:
    """What the desk still holds, and what of it still rests."""
    worst = sum(worst_case(row) for row in snapshot.markets)
    held = sum(1 for row in snapshot.markets if row.yes != row.no)
    what = f"{held} position{'s' if held != 1 else ''}, worst case {f.signed_usd(Cash(worst))}  " if held else "nothing  "
    orders: Span = (f"open orders {len(snapshot.orders)}", "warn" if snapshot.orders else "")
    return ((" still held: ", "head"), (what, "warn" if held else ""), orders)


def killed(one: Scene, width: int) -> list[Row]:
    """Everything about the kill of a desk that has a picture; `lines` says how many rows."""
    if one.frame is None:
        return []
    snapshot = one.frame.snapshot
    proven = snapshot.phase == "killed"
    at = next((step.at for step in snapshot.kill if step.at), 0)
    why = f.said(snapshot.why, max(8, width - 26)).strip()
    rows: list[Row] = [((" ", ""), *flow((("why", why, "down"), ("at", f"{f.clock(at, True)}{f.zone()}", "bold")), width - 1))]
    rows += [step(number, row, proven, width) for number, row in enumerate(snapshot.kill, start=1)]
    mode = "REHEARSAL" if one.rehearsing else f.said(one.frame.card.mode, 5).strip()
    how = f"reset: R, type RESET {mode} and why it is safe; no quote until then"
    if (left := cools_down(one)) > 0:
        how = f"reset: after the cool-down, {f.age(left)} left; no quote until then"
    if not proven:
        how = "reset: possible once the cancel is confirmed"
    return [*rows, _held(snapshot), *(((f" {line}", "bold" if proven else "dim"),) for line in wrap(how, width - 2, 2))]


def lines(one: Scene) -> int:
    """Rows that `killed` has where the reset fits into one."""
    return len(one.frame.snapshot.kill) + 3 if one.frame is not None else 0
