"""The desk's side of the api: pictures out at most ten a second, an operator's commands in as instructions."""

import asyncio
import time
from collections.abc import Callable

import msgspec

from pmm_tui.api.gate import read_token
from pmm_tui.api.server import Api, Door
from pmm_tui.api.widening import APPLY, adds_risk
from pmm_tui.core.instructions import Flattened, Instruction, Killed, KillReset, Paused, Resumed, Retuned
from pmm_tui.core.risk.kill import resets_at
from pmm_tui.core.snapshot import Frame
from pmm_tui.core.units import SECOND
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.loop import NOT_YET
from pmm_tui.runtime.operator import Operator
from pmm_tui.runtime.pace import Pace, parse_speed, speed_text
from pmm_tui.runtime.places import token_path
from pmm_tui.runtime.profile import Profile, ProfileRefused, diff, load, printable

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
        unproven: Callable[[Profile], str] | None = None,
    ) -> None:
        """`operator`: who is told of each command; None for a desk that does not care whether it is watched.

        unproven: why a profile's values may not be traded with, empty where they may; None for a desk of simulated money.
        """
        self._unproven = unproven
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
        who = printable(actor[:ACTOR_MAX]) or "api"
        self._operator.sign()
        if cmd == "ack":
            return self._ack(args.get("leaving") is True, who)
        if cmd == "kill":
            self._submit(Killed(NOT_YET, who, printable(str(args.get("reason", "operator"))[:REASON_MAX])))
            return True, "killing: cancel all, verify, latch"
        if cmd == "stop":
            self._stop.set()
            return True, "stopping: quotes are pulled, then the run ends"
        if cmd == "reload":
            return self._reload(args.get("apply") is True, str(args.get("typed", "")), who)
        if cmd == "speed":
            return self._speed(args)
        if cmd != "pause" and self._desk.busy:
            return False, f"this desk is broken, start another: {self._desk.busy}"
        if cmd == "kill_reset":
            return self._reset(args, who)
        if cmd == "resume" and args.get("from_paper") is True and self._unproven is not None and (why := self._unproven(self._profile)):
            name = self._profile.name
            return False, f"not resumed: no preflight passed today ({why}). Stop the desk, then: pmm-tui preflight --profile {name}"
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
        reason = printable(str(args.get("reason", "")).strip()[:REASON_MAX])
        state = self._desk.engine.state
        phase = state.kill.phase
        if not reason:
            return False, "a reset needs a reason"
        if phase != "killed":
            return False, f"the kill switch is {phase}: only a verified kill can be reset"
        if (left := resets_at(state.kill, state.knobs.kill) - state.now) > 0:
            return False, f"the kill switch cools down for {-(-left // SECOND)} s more"
        self._submit(KillReset(NOT_YET, actor, reason))
        return True, "kill switch reset"

    def _reload(self, apply: bool, typed: str, actor: str) -> tuple[bool, str]:
        """Without `apply`: what would change. With it: what is safe changes as an event, and what is not is named.

        A live desk takes what widens its risk only with the words that a person typed, and with a preflight of these very values.
        """
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
        then = Profile(self._profile.name, self._profile.file, self._profile.values | safe)
        if self._unproven is not None and adds_risk("\n".join(str(change) for change in changes if change.safe)):
            if why := self._unproven(then):
                return False, (
                    f"nothing was applied: it widens the risk of real money, and no preflight of these values passed today ({why}). "
                    f"Stop the desk, then: pmm-tui preflight --profile {then.name}, and start it again\n{text}"
                )
            if typed != APPLY:
                return False, f"nothing was applied: it widens the risk, and {APPLY} was to be typed\n{text}"
        if safe:
            self._submit(Retuned(NOT_YET, actor, safe))
            self._profile = then
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


class Window(msgspec.Struct, frozen=True):
    """The api while it is served."""

    api: Api
    serving: asyncio.Task[None]

    async def shut(self, patience_s: float) -> None:
        """Let the faces go."""
        self.api.stop()
        await asyncio.wait({self.serving}, timeout=patience_s)


def door(profile: Profile) -> Door | None:
    """The api's way in by TCP, where the profile wants one. ValueError or OSError where its token cannot be used."""
    settings = profile.run()
    if not settings.api_port:
        return None
    given = settings.api_token_file
    return Door(settings.api_port, read_token(token_path(given), make=not given))
