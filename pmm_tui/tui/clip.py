"""What is worth copying from a screen, and the file where it also lands: not every terminal hands its clipboard on."""

import os
from pathlib import Path

from pmm_tui.tui import format as f
from pmm_tui.tui.state import Scene

CLIP_LINES = 200


def state_folder() -> Path:
    """Where the console leaves what it wrote for its user."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "pmm-tui"


def incident(scene: Scene) -> str:
    """What led to a kill, step by step, with the newest of the log; empty where nothing was killed."""
    frame = scene.frame
    if frame is None or not scene.stopped:
        return ""
    card, snapshot = frame.card, frame.snapshot
    money = snapshot.money
    lines = [
        f"{f.clean(card.mode)} {f.clean(card.run)} {snapshot.phase.upper()}: {f.clean(snapshot.why)}",
        f"equity {f.usd(money.equity)}, drawdown {f.percent(money.drawdown_pct)} of {money.halt_pct:g}%",
        f"open orders {len(snapshot.orders)}",
        *(f"{f.clock(step.at, millis=True):>12}  {f.clean(step.step)}: {f.clean(step.note)}" for step in snapshot.kill),
        *(f"{f.clock(note.at, millis=True):>12}  {note.level:<5} {f.clean(note.text)}" for note in snapshot.notes),
    ]
    return "\n".join(lines[:CLIP_LINES])


def keep(text: str) -> Path:
    """Write what was copied beside the terminal's clipboard; readable by its owner only. OSError where it cannot."""
    path = state_folder() / "clip.txt"
    write_private(path, text + "\n")
    return path


def write_private(path: Path, text: str) -> None:
    """A file of its owner, in a folder of its owner. OSError where it cannot."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8", newline="")
