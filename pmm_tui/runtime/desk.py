"""One engine with its records: each fact is stepped, written down, and only then acted upon."""

import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from pmm_tui.core.commands import Alert, Command, Place
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event, FillSettled, OrderFilled, OrderRejected
from pmm_tui.core.instructions import Killed
from pmm_tui.core.snapshot import DeskCard, Frame, Stats
from pmm_tui.core.state import Note
from pmm_tui.record.files import STATE, STATE_LIVE, TRADES, TRADES_LIVE, append_line, replace
from pmm_tui.record.journal import Journal, JournalFull
from pmm_tui.runtime.logs import level_of
from pmm_tui.study.markouts import followed
from pmm_tui.study.production import live_figures, live_refusal, live_trade
from pmm_tui.study.tally import Tally

STATE_EVERY_NS = 1_000_000_000
_MISCOUNTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a bug in the figures raises: it costs the figures, never the desk."""
ALERTS_MAX = 64


class Desk:
    """The engine, its journal and the small files beside it."""

    def __init__(self, engine: Engine, journal: Journal, folder: Path, card: DeskCard, log: logging.Logger, latch: Path | None) -> None:
        """`latch`: where a kill is kept until it is reset; None for a desk whose kills end with it."""
        self.engine = engine
        self.journal = journal
        self.folder = folder
        self.log = log
        self.busy = ""
        """What is wrong with the desk itself; empty when nothing is."""
        self.dead = False
        """The engine failed inside a step: its state cannot be believed any more."""
        self.alerts: deque[Alert] = deque(maxlen=ALERTS_MAX)
        """What a person is to be told, until somebody takes it from here."""
        self.pulse: Callable[[], tuple[float, float]] = lambda: (-1.0, -1.0)
        """Seconds since the venue last answered a heartbeat, milliseconds that its answers take; -1 where there is none."""
        self.speed = card.speed
        self.tape_position = 0.0
        self._card = card
        self._live = card.mode == "LIVE"
        self._latch = latch
        self._writing = True
        """The journal has every step so far."""
        self._took_ns: deque[int] = deque(maxlen=1_000)
        self._last_note: Note | None = None
        self._fills = 0
        self._undone: deque[tuple[str, int]] = deque(maxlen=1_000)
        self._state_at = 0
        self._stopped = False
        self._tally: Tally | None = Tally()
        """None once the figures could not be counted any more."""
        self._uncounted: tuple[Event, list[Command]] | None = None
        """The last fact, where commands had to leave before it was counted."""
        self._stats: Stats | None = None
        self._stats_at = 0

    def step(self, event: Event) -> list[Command]:
        """One fact through the engine and into the journal; the commands may be acted upon when this returns.

        Records that cannot be written halt the desk: a kill follows at once, and nothing is placed from then on. What the engine or the
        journal raises because of a defect is raised on, with the desk dead and the fact that led to it in the journal.
        """
        self._catch_up()
        commands, failure = self._record(event)
        try:
            self._aside(event, commands, time.perf_counter_ns())
        except OSError as error:
            failure = failure or error
        self._uncounted = (event, commands)
        if not commands:
            self._catch_up()  # nothing waits to leave
        if failure is not None and not self.busy:
            commands = commands + self._halt(event, failure)
        return [command for command in commands if not isinstance(command, Place)] if self.busy else commands

    def seal(self, facts: list[Event], commands: list[Command]) -> list[Command]:
        """Step the facts that belong to commands about to leave (the ids of signed orders), and have all of it on the disk.

        The commands that may leave then: without the disk's word, nothing that adds risk.
        """
        failure: OSError | None = None
        for fact in facts:
            failure = self._record(fact)[1] or failure  # no file and no figure takes anything from an id
        if self._writing:
            try:
                self.journal.sync()
            except OSError as broken:
                self._writing, failure = False, failure or broken
        if failure is not None and not self.busy:
            commands = commands + self._halt(facts[-1], failure)
        return [command for command in commands if not isinstance(command, Place)] if self.busy else commands

    def fail(self, where: str, error: BaseException) -> None:
        """Something outside the engine is broken: nothing is placed from now on; the log says where, and how."""
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        self.busy = self.busy or f"{where} failed: {type(error).__name__}: {error}"
        self.log.critical("%s failed", where, exc_info=error, extra={"fields": {"why": f"{type(error).__name__}: {error}"}})

    def frame(self) -> Frame:
        """The card and the picture."""
        took, (beat_s, answer_ms) = sorted(self._took_ns), self.pulse()
        card = msgspec.structs.replace(
            self._card,
            speed=self.speed,
            tape_position=self.tape_position,
            engine_p99_us=took[len(took) * 99 // 100] / 1e3 if took else 0.0,
            busy=self.busy,
            heartbeat_s=beat_s,
            answer_ms=answer_ms,
        )
        stats, marks = self._figures(), self._tally.marks if self._tally is not None else None
        return Frame(card, followed(self.engine.snapshot(), self.engine.state, marks), stats)

    def close(self) -> None:
        """End the records: the last line of a whole journal holds the digest of the state, and the last picture the final figures."""
        try:
            self.journal.close(self.engine.digest() if self._writing and not self.dead else None)
            if not self.dead:
                self._end_figures()
                self._tell_state()
        except OSError as error:
            self.fail("closing the records", error)

    def _catch_up(self) -> None:
        """Count the last fact: the state is still the one that it led to."""
        if self._uncounted is None or self._tally is None:
            return
        (event, commands), self._uncounted = self._uncounted, None
        try:
            self._tally.step(self.engine.state, event, commands)
        except _MISCOUNTS as error:
            self._miscounted(error)

    def _end_figures(self) -> None:
        """Count what is left, to be put together anew."""
        self._catch_up()
        self._stats = None
        try:
            if self._tally is not None:
                self._tally.end(self.engine.state)
        except _MISCOUNTS as error:
            self._miscounted(error)

    def _miscounted(self, error: Exception) -> None:
        self._tally = self._stats = None
        self.log.error("the figures of the run are counted no more", exc_info=error)

    def _figures(self) -> Stats | None:
        """The run's figures, put together once a second."""
        self._catch_up()
        now = time.perf_counter_ns()
        if self._tally is not None and (self._stats is None or now - self._stats_at >= STATE_EVERY_NS):
            self._stats, self._stats_at = self._tally.told(), now
        return self._stats

    def _record(self, event: Event) -> tuple[list[Command], OSError | None]:
        """One fact through the engine and into the journal: what it asks for, and why it could not be written."""
        began = time.perf_counter_ns()
        whole = False
        try:
            commands = self.engine.step(event)
            self._took_ns.append(time.perf_counter_ns() - began)
            failure = self._write(event, commands) if self._writing else None
            whole = True
        finally:
            if not whole:
                self._die(event)
        return commands, failure

    def _write(self, event: Event, commands: list[Command]) -> OSError | None:
        """Into the journal; the reason where that cannot be, and then it is written no more unless this entry is in it all the same."""
        try:
            self.journal.write(event, commands)
        except JournalFull as full:
            self._writing = full.recorded
            return full
        except OSError as broken:
            self._writing = False
            return broken
        return None

    def _halt(self, event: Event, why: OSError) -> list[Command]:
        """Nothing that adds risk leaves any more, everything is cancelled, and the screen says why. What the kill asks for."""
        self.busy = f"records cannot be written, trading is halted: {why}"
        self.log.critical("records cannot be written, trading is halted", extra={"fields": {"why": str(why)}})
        return self.step(Killed(event.at, "desk", f"records cannot be written: {why}"))

    def _die(self, event: Event) -> None:
        """The engine broke, or its answer cannot be written down: the fact goes into the journal, where a replay breaks on it again."""
        self.dead = True
        if self._writing:
            self._writing = self._write(event, []) is None

    def _aside(self, event: Event, commands: list[Command], now: int) -> None:
        """The small files: the log and the latch first, as they cannot wait; OSError where one cannot be written."""
        state = self.engine.state
        if state.notes and state.notes[-1] is not self._last_note:
            self._tell_notes()
        for command in commands:
            if isinstance(command, Alert):
                self.log.log(level_of(command.level), command.text, extra={"fields": {"alert": command.key}})
                self.alerts.append(command)
        if state.kill.stopped is not self._stopped:
            self._stopped = state.kill.stopped
            self._latch_kill()
        if type(event) is OrderFilled or (type(event) is FillSettled and not event.ok):
            self._tell_trade(event)
        elif self._live and type(event) is OrderRejected:
            self._tell_refusal(event)
        if now - self._state_at >= STATE_EVERY_NS:
            self._state_at = now
            self._tell_state()

    def _tell_state(self) -> None:
        """live_state.json: what the desk is now, for whoever looks from outside; with real money, also what that costs."""
        if not self._live:
            replace(self.folder / STATE, msgspec.json.encode(self.frame()) + b"\n")
            return
        told = msgspec.to_builtins(self.frame()) | live_figures(self.engine.state)
        replace(self.folder / STATE_LIVE, msgspec.json.encode(told) + b"\n")

    def _tell_trade(self, event: OrderFilled | FillSettled) -> None:
        """One line a fill, and a second one, FAILED, for a fill that the chain undid. Venues say everything twice; the file does not."""
        portfolio, key = self.engine.state.portfolio, (event.trade, event.order)
        fill = portfolio.fills.get(key)
        if isinstance(event, OrderFilled):
            fresh = portfolio.fill_count != self._fills
            self._fills = portfolio.fill_count
        else:
            fresh = key not in self._undone
            self._undone.append(key)
        if fill is not None and fresh:
            if self._live:
                append_line(self.folder / TRADES_LIVE, live_trade(self.engine.state, fill))
            else:
                append_line(self.folder / TRADES, fill)

    def _tell_refusal(self, event: OrderRejected) -> None:
        """With real money a refusal is a line among the trades: what was asked, how long the answer took, and why not."""
        order = self.engine.state.finished.get(event.order)
        if order is not None:
            append_line(self.folder / TRADES_LIVE, live_refusal(order, event))

    def _tell_notes(self) -> None:
        fresh = []
        for note in reversed(self.engine.state.notes):
            if note is self._last_note:
                break
            fresh.append(note)
        self._last_note = self.engine.state.notes[-1]
        for note in reversed(fresh):
            self.log.log(level_of(note.level), note.text, extra={"fields": {"at": note.at}})

    def _latch_kill(self) -> None:
        """A kill survives a restart: it is on disk until it is reset. A latch that is there already keeps its first reason."""
        if self._latch is None:
            return
        kill = self.engine.state.kill
        if not kill.stopped:
            self._latch.unlink(missing_ok=True)
        elif not self._latch.exists():
            self._latch.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(self._latch, msgspec.json.encode({"why": kill.why, "at": kill.killed_at}))


def latched(latch: Path | None) -> str:
    """Why an earlier run was killed and not reset; empty where none was. A latch that cannot be read is a latch all the same."""
    if latch is None or not latch.is_file():
        return ""
    try:
        why = str(msgspec.json.decode(latch.read_bytes(), type=dict[str, Any]).get("why", "unknown"))
    except (OSError, msgspec.DecodeError):
        why = "unknown"
    return f"an earlier run was killed and not reset: {why}"
