"""The kill switch after it tripped: why, each step with the time it was proven, what is still held, how to reopen."""

from msgspec.structs import replace

from pmm_tui.core.snapshot import Frame, KillRow, Snapshot
from pmm_tui.core.units import Cash
from pmm_tui.tui import format as f
from pmm_tui.tui.keynames import key_of
from pmm_tui.tui.rows.lines import Row, Span, flow, length
from pmm_tui.tui.state import Scene, cools_down, positions, worst_case
from pmm_tui.tui.words import short

NARROW = 70
"""Below this width the times have no thousandths."""
LEFT = "flatten"
"""The step that a kill leaves to the operator: it never sells."""


def steps(frame: Frame, width: int) -> list[Row]:
    """Every step of the kill, as narrow as their names allow where there is little room. A desk with a fault sells nothing."""
    snapshot = frame.snapshot
    name = max((len(row.step) for row in snapshot.kill), default=0) + 1 if width < NARROW else 18
    told = [replace(row, note="not by this desk") if row.step == LEFT and frame.card.busy else row for row in snapshot.kill]
    return [_step(number, row, snapshot.phase == "killed", min(18, name), width) for number, row in enumerate(told, start=1)]


def _step(number: int, row: KillRow, over: bool, name: int, width: int) -> Row:
    """One step of the kill: proven at a time, awaited, or, as what never is the kill's to do, not part of it."""
    narrow, over = width < NARROW, over or row.step == LEFT
    time = 9 if narrow else 13
    mark: Span = ("✔ ", "up") if row.at else ("· ", "dim") if over else ("· ", "warn")
    when = f.clock(row.at, not narrow) if row.at else f.NONE if over else "not yet"
    style = "" if row.at else "dim" if over else "warn"
    said = row.note if row.at or over else row.note.removeprefix("not yet, ")
    note = f.said(said, max(0, width - name - time - 6)).rstrip()
    return ((f" {number} ", "head"), mark, (f.said(row.step, name), "bold"), (f.fit(when, time), style), (note, style or "dim"))


def _held(one: Scene, snapshot: Snapshot, aimed: bool, width: int) -> Row:
    """What the desk still holds, what of it still rests, and how it is sold once nothing does."""
    worst = sum(worst_case(row) for row in snapshot.markets)
    held, resting = positions(snapshot), len(snapshot.orders)
    what = f"{held} position{'s' if held != 1 else ''}, worst {f.signed_usd(Cash(worst))}" if held else "nothing"
    row: Row = ((" still held: ", "head"), (what, "warn" if held else ""))
    if resting or not held:
        return (*row, (f"  open orders {resting}", "warn" if resting else ""))
    if one.frame is None or one.frame.card.busy or one.read_only or one.lost:
        return row
    key, room = key_of("flatten.all"), width - length(row)
    long, brief = (f"{key}: flatten", key) if aimed else (f"{key_of('target')}, then {key}: flatten", f"{key_of('target')}, {key}: flatten")
    return (*row, (f.first_fit(room, f"  {long}", f"  {brief}", ""), "bold"))


def killed(one: Scene, width: int, aimed: bool = True) -> list[Row]:
    """Everything about the kill of a desk that has a picture; `lines` says how many rows. `aimed`: the keys go to it."""
    if one.frame is None:
        return []
    snapshot = one.frame.snapshot
    proven = snapshot.phase == "killed"
    at = next((step.at for step in snapshot.kill if step.at), 0)
    when = f"{f.clock(at, True)}{f.zone()}"
    why = short(f.clean(snapshot.why), max(8, width - f.width_of(f" why   at {when}")))
    rows: list[Row] = [((" ", ""), *flow((("why", why, "down"), ("at", when, "bold")), width - 1))]
    rows += steps(one.frame, width)
    mode = "REHEARSAL" if one.rehearsing else f.said(one.frame.card.mode, 5).strip()
    key, stop = (one_key if aimed else f"{key_of('target')}, then {one_key}" for one_key in map(key_of, ("kill.reset", "app.stop")))
    how = (f"reset: {key}, type RESET {mode} and why it is safe; no quote until then", f"reset: {key}, type RESET {mode} and why")
    if (left := cools_down(one)) > 0:
        how = (f"reset: in {f.age(left)}, after the cool-down; no quote until then", f"reset: in {f.age(left)}, after the cool-down")
    if one.frame.card.busy:
        how = (f"reset: not by this desk; mend the cause, {stop} stops it, start it anew", f"reset: mend the cause, {stop}, start it anew")
    elif not proven:
        how = ("reset: possible once the cancel is confirmed", "reset: once the cancel is confirmed")
    return [*rows, _held(one, snapshot, aimed, width), ((f" {f.first_fit(width - 2, *how)}", "bold" if proven else "dim"),)]


def lines(one: Scene) -> int:
    """Rows that `killed` has."""
    return len(one.frame.snapshot.kill) + 3 if one.frame is not None else 0
