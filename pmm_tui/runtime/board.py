"""The desk's side of the api: pictures out at most ten a second, an operator's commands in as instructions."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from pmm_tui.core.instructions import Flattened, Instruction, Killed, KillReset, Paused, Resumed, Retuned
from pmm_tui.core.snapshot import Frame
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.operator import Operator
from pmm_tui.runtime.pace import Pace, parse_speed, speed_text
from pmm_tui.runtime.profile import Profile, ProfileRefused, diff, load

FRAME_EVERY_NS = 95_000_000
ACTOR_MAX = 80
REASON_MAX = 200
Args = dict[str, str | int | float | bool]


class DeskBoard:
    """What the api needs of a desk."""

    def __init__(
        self,
        desk: Desk,
        profile: Profile,
        submit: Callable[[Instruction], None],
        stop: asyncio.Event,
        pace: Pace | None,
        operator: Operator | None = None,
    ) -> None:
        """`operator`: who is told of each command; None for a desk that does not care whether it is watched."""
        self._operator = operator or Operator("keep", 0.0, submit)
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
            frame, operator = self._desk.frame(), self._operator
            card = msgspec.structs.replace(frame.card, deadman_s=operator.left_s, unwatched=operator.unwatched)
            self._frame, self._frame_at = msgspec.structs.replace(frame, card=card), now
        return self._frame

    async def command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        """Do it, or say why not."""
        try:
            return self._command(cmd, args, actor)
        except asyncio.QueueFull:
            return False, "too many instructions are waiting; a kill always passes"

    def _command(self, cmd: str, args: Args, actor: str) -> tuple[bool, str]:
        who = actor[:ACTOR_MAX] or "api"
        self._operator.sign()
        if cmd == "ack":
            return self._ack(args.get("leaving") is True, who)
        if cmd == "kill":
            self._submit(Killed(NOT_YET, who, str(args.get("reason", "operator"))[:REASON_MAX]))
            return True, "killing: cancel all, verify, latch"
        if cmd == "stop":
            self._stop.set()
            return True, "stopping: quotes are pulled, then the run ends"
        if cmd == "reload":
            return self._reload(args.get("apply") is True, who)
        if cmd == "speed":
            return self._speed(args)
        if cmd != "pause" and self._desk.busy:
            return False, f"this desk is broken, start another: {self._desk.busy}"
        if cmd == "kill_reset":
            return self._reset(args, who)
        return self._direct(cmd, str(args.get("market", "")), args.get("passive") is True, who)

    def _direct(self, cmd: str, market: str, passive: bool, who: str) -> tuple[bool, str]:
        """What can be asked for one market or for all."""
        state = self._desk.engine.state
        if market and market not in state.markets:
            return False, f"no such market: {market[:20]}"
        where = state.markets[market].name if market else "all markets"
        if cmd == "pause":
            self._submit(Paused(NOT_YET, who, market))
            return True, f"pausing {where}: quotes are pulled"
        if cmd == "flatten":
            self._submit(Flattened(NOT_YET, who, market, passive=passive))
            how = "rest at the touch until it is sold" if passive else "sell the net position"
            return True, f"flattening {where}: cancel, then {how}"
        if cmd != "resume":
            return False, f"unknown command {cmd[:20]}"
        if state.kill.stopped:
            return False, "the kill switch is tripped: reset it first"
        self._submit(Resumed(NOT_YET, who, market))
        return True, f"resuming {where}"

    def _ack(self, leaving: bool, who: str) -> tuple[bool, str]:
        """Somebody is there; `leaving`: and closes the console on purpose, with the desk to go on as it is."""
        if leaving:
            self._operator.leave()
        self._desk.log.info("acknowledged", extra={"fields": {"actor": who, "leaving": leaving}})
        left_s = self._operator.left_s
        return True, "acknowledged" if left_s < 0 else f"acknowledged: the next sign is due within {left_s:.0f} s"

    def _reset(self, args: Args, actor: str) -> tuple[bool, str]:
        reason = str(args.get("reason", "")).strip()[:REASON_MAX]
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
