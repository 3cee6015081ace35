"""The desk's side of the api: pictures out at most ten a second, an operator's commands in as instructions."""

import asyncio
import time
from collections.abc import Callable

from pmm_tui.core.instructions import Flattened, Instruction, Killed, KillReset, Paused, Resumed, Retuned
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import Nanos
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.loop import Pace
from pmm_tui.runtime.profile import Profile, ProfileRefused, diff, load

FRAME_EVERY_NS = 95_000_000
Args = dict[str, str | int | float | bool]
NOT_YET = Nanos(0)
"""The loop stamps an instruction when it takes it."""


class DeskBoard:
    """What the api needs of a desk."""

    def __init__(self, desk: Desk, profile: Profile, submit: Callable[[Instruction], None], stop: asyncio.Event, pace: Pace | None) -> None:
        self._desk = desk
        self._profile = profile
        self._submit = submit
        self._stop = stop
        self._pace = pace
        self._frame: Frame | None = None
        self._frame_at = 0

    def frame(self) -> Frame:
        """The newest picture, drawn anew at most ten times a second."""
        now = time.monotonic_ns()
        if self._frame is None or now - self._frame_at >= FRAME_EVERY_NS:
            self._frame, self._frame_at = self._desk.frame(), now
        return self._frame

    async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        """Do it, or say why not."""
        try:
            return self._command(cmd, args, actor)
        except asyncio.QueueFull:
            return False, "the desk is drowned in facts; pull the kill file or send SIGUSR1"

    def _command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        market = str(args.get("market", ""))
        if market and market not in self._desk.engine.state.markets:
            return False, f"no such market: {market[:20]}"
        where = self._desk.engine.state.markets[market].name if market else "all markets"
        if cmd == "pause":
            self._submit(Paused(NOT_YET, actor, market))
            return True, f"pausing {where}: quotes are pulled"
        if cmd == "resume":
            if self._desk.engine.state.kill.stopped:
                return False, "the kill switch is tripped: reset it first"
            self._submit(Resumed(NOT_YET, actor, market))
            return True, f"resuming {where}"
        if cmd == "flatten":
            self._submit(Flattened(NOT_YET, actor, market))
            return True, f"flattening {where}: cancel, then sell the net position"
        if cmd == "kill":
            self._submit(Killed(NOT_YET, actor, str(args.get("reason", "operator"))))
            return True, "killing: cancel all, verify, latch"
        if cmd == "kill_reset":
            return self._reset(args, actor)
        if cmd == "reload":
            return self._reload(bool(args.get("apply", False)), actor)
        if cmd == "speed":
            return self._speed(args)
        if cmd == "stop":
            self._stop.set()
            return True, "stopping: quotes are pulled, then the run ends"
        return False, f"unknown command {cmd}"

    def _reset(self, args: Args, actor: str) -> tuple[bool, str]:
        reason = str(args.get("reason", "")).strip()
        phase = self._desk.engine.state.kill.phase
        if not reason:
            return False, "a reset needs a reason"
        if phase != "killed":
            return False, f"the kill switch is {phase}: only a verified kill can be reset"
        self._submit(KillReset(NOT_YET, actor, reason))
        return True, "kill switch reset"

    def _reload(self, apply: bool, actor: str) -> tuple[bool, str]:
        """Without `apply`: what would change. With it: what is safe changes as an event, and what is not is named."""
        try:
            fresh = load(self._profile.file)
        except ProfileRefused as refused:
            return False, str(refused)
        changes = diff(self._profile, fresh)
        if not changes:
            return True, "the profile has not changed"
        text = "\n".join(map(str, changes))
        if not apply:
            return True, text
        safe = {change.name: change.new for change in changes if change.safe}
        if safe:
            self._submit(Retuned(NOT_YET, actor, safe))
            values = self._profile.values | safe
            self._profile = Profile(self._profile.name, self._profile.file, values)
        return True, f"{len(safe)} of {len(changes)} changes applied\n{text}"

    def _speed(self, args: Args) -> tuple[bool, str]:
        if self._pace is None:
            return False, "live data has one speed"
        wanted = str(args.get("speed", ""))
        try:
            speed = parse_speed(wanted)
        except ValueError as wrong:
            return False, str(wrong)
        self._pace.change(speed)
        self._desk.speed = speed_text(speed)
        return True, f"speed {self._desk.speed}"


def parse_speed(text: str) -> float:
    """A tape's speed: a factor above 0, or 0 for `max`. ValueError for anything else."""
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 < speed <= 100_000:
        raise ValueError(f"speed {text[:20]!r}: expected a number from above 0 to 100000, or max")
    return speed


def speed_text(speed: float) -> str:
    """How a speed is written."""
    return f"{speed:g}" if speed else "max"
