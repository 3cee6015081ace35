"""`pmm-tui ps`, `kill`, `pause`, `resume`, `flatten`, `ack`: the desks of this machine from a shell, through their windows."""

import sys
import time
from collections.abc import Callable

import msgspec

from pmm_tui.api.protocol import Args, mode_word
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import SECOND, usd
from pmm_tui.runtime.fleet import Seen, find, forget, kill, running, tell
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.profile import printable

FREES = ("pause", "ack")
"""What lowers risk, or changes none: done at once."""


def show_desks(as_json: bool, drop: bool) -> int:
    """Print a line for each desk; `drop`: sockets that nobody listens on are removed first. 0: each answers; 1: one does not."""
    if drop:
        for socket in forget():
            sys.stderr.write(f"pmm-tui: removed {socket}\n")
    desks = running()
    if as_json:
        sys.stdout.write(msgspec.json.encode([_told(desk) for desk in desks]).decode() + "\n")
    elif not desks:
        sys.stdout.write("no desk runs here\n")
    else:
        head = f"{'run':<36} {'mode':<9} {'phase':<9} {'up':>9} {'pid':>8} {'profit':>10} {'drawdown':>9} {'orders':>6} {'fills':>6}"
        sys.stdout.write(f"{head}  why\n")
        for desk in desks:
            sys.stdout.write(printable(_line(desk)) + "\n")
    return 1 if any(desk.frame is None for desk in desks) else 0


def _line(desk: Seen) -> str:
    if desk.frame is None:
        return f"{desk.run:<36} {'GONE' if desk.gone else 'does not answer'}: {desk.why}"
    card, snapshot, money = desk.frame.card, desk.frame.snapshot, desk.frame.snapshot.money
    up = _span((time.time_ns() - card.started) // SECOND)
    profit = f"{usd(money.equity - money.initial):+.2f}"
    return (
        f"{desk.run:<36} {mode_word(card):<9} {snapshot.phase:<9} {up:>9} {card.pid:>8} {profit:>10} {money.drawdown_pct:>7.1f} % "
        f"{len(snapshot.orders):>6} {snapshot.fill_count:>6}  {card.busy or snapshot.why}"
    ).rstrip()


def _told(desk: Seen) -> dict[str, object]:
    told: dict[str, object] = {
        "run": desk.run,
        "socket": str(desk.socket),
        "answers": desk.frame is not None,
        "gone": desk.gone,
        "why": desk.why,
    }
    if desk.frame is not None:
        card, snapshot, money = desk.frame.card, desk.frame.snapshot, desk.frame.snapshot.money
        told |= {
            "why": card.busy or snapshot.why, "profile": card.profile, "mode": mode_word(card), "source": card.source, "pid": card.pid,
            "started": card.started, "phase": snapshot.phase, "profit": money.equity - money.initial, "drawdown_pct": money.drawdown_pct,
            "orders": len(snapshot.orders), "fills": snapshot.fill_count,
        }  # fmt: skip
    return told


def _span(seconds: int) -> str:
    hours, rest = divmod(max(0, seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def pull_kill(name: str, reason: str) -> int:
    """Trip the kill switch and wait for the proof. 0: no order is open; 3: that is not proven."""
    done, text = kill(find(name), reason)
    return _answer(done, text)


def direct(name: str, cmd: str, args: Args, ask: Callable[[str], str] | None, yes: str = "") -> int:
    """Send one command. What adds risk or costs money is shown, and the run's name typed (or given as `yes`). 0: done; 3: not."""
    desk = find(name)
    if desk.frame is None:
        raise CannotStart(f"{desk.run} does not answer: {desk.why}")
    if cmd not in FREES and not _agreed(desk.frame, cmd, args, ask, yes):
        raise CannotStart(f"{cmd}: not agreed to, nothing was sent; type the run's name, or give it with --yes")
    return _answer(*tell(desk, cmd, args))


def _agreed(frame: Frame, cmd: str, args: Args, ask: Callable[[str], str] | None, yes: str) -> bool:
    run = frame.card.run
    sys.stdout.write(printable(f"{mode_word(frame.card)} {run}: {_about(frame, cmd, str(args.get('market', '')))}") + "\n")
    return (yes or (ask(f"Type {run} to go on: ").strip() if ask is not None else "")) == run


def _about(frame: Frame, cmd: str, market: str) -> str:
    if cmd == "resume":
        return "would place quotes again"
    held = [row for row in frame.snapshot.markets if row.yes != row.no and market in ("", row.id)]
    rows = [f"{abs(row.yes - row.no) / 1e6:g} {row.outcomes[0 if row.yes > row.no else 1]} of {row.slug}" for row in held]
    return f"would cancel what rests there, and {'sell ' + ', '.join(rows) if rows else 'has nothing to sell'}"


def _answer(done: bool, text: str) -> int:
    (sys.stdout if done else sys.stderr).write(f"{'' if done else 'pmm-tui: '}{printable(text)}\n")
    return 0 if done else 3
