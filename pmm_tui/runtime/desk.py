"""One engine with its records: each fact is stepped, written down, and only then acted upon."""

import logging
import time
from collections import deque
from pathlib import Path

import msgspec

from pmm_tui.core.commands import Alert, CancelAll, Command, Place, Sync
from pmm_tui.core.engine import Engine
from pmm_tui.core.events import Event, OrderFilled
from pmm_tui.core.instructions import Killed
from pmm_tui.core.snapshot import DeskCard, Frame
from pmm_tui.core.state import Note
from pmm_tui.record.files import append_trade, replace, replace_state
from pmm_tui.record.journal import Journal, JournalFull
from pmm_tui.runtime.logs import level_of

STATE_EVERY_NS = 1_000_000_000


class Desk:
    """The engine, its journal and the small files beside it."""

    def __init__(self, engine: Engine, journal: Journal, folder: Path, card: DeskCard, log: logging.Logger, latch: Path | None) -> None:
        self.engine = engine
        self.journal = journal
        self.folder = folder
        self.log = log
        self.busy = ""
        """What is wrong with the desk itself; empty when nothing is."""
        self.speed = card.speed
        self.tape_position = 0.0
        self._card = card
        self._latch = latch
        self._took_ns: deque[int] = deque(maxlen=1_000)
        self._last_note: Note | None = None
        self._state_at = 0
        self._was_stopped = False

    def step(self, event: Event) -> list[Command]:
        """One fact through the engine and into the journal; the commands may be acted upon when this returns."""
        began = time.perf_counter_ns()
        commands = self.engine.step(event)
        now = time.perf_counter_ns()
        self._took_ns.append(now - began)
        if self.busy:
            return [command for command in commands if not isinstance(command, Place)]
        try:
            self.journal.write(event, commands)
            self._aside(event, commands, now)
        except (JournalFull, OSError) as error:
            return self._broken(event, commands, error)
        return commands

    def frame(self) -> Frame:
        """The card and the picture."""
        took = sorted(self._took_ns)
        card = msgspec.structs.replace(
            self._card,
            speed=self.speed,
            tape_position=self.tape_position,
            engine_p99_us=took[len(took) * 99 // 100] / 1e3 if took else 0.0,
            busy=self.busy,
        )
        return Frame(card, self.engine.snapshot())

    def close(self) -> None:
        """End the records: the journal's last line holds the digest."""
        try:
            if not self.busy:
                self.journal.close(self.engine.digest())
            replace_state(self.folder, self.frame())
        except (JournalFull, OSError) as error:
            self.log.error("the records could not be closed", extra={"fields": {"why": str(error)}})

    def _aside(self, event: Event, commands: list[Command], now: int) -> None:
        state = self.engine.state
        if type(event) is OrderFilled:
            fill = state.portfolio.fills.get((event.trade, event.order))
            if fill is not None and fill.at == event.at:
                append_trade(self.folder, fill)
        if state.notes and state.notes[-1] is not self._last_note:
            self._tell_notes()
        for command in commands:
            if isinstance(command, Alert):
                self.log.log(level_of(command.level), command.text, extra={"fields": {"alert": command.key}})
        if state.kill.stopped is not self._was_stopped:
            self._was_stopped = state.kill.stopped
            self._latch_kill()
        if now - self._state_at >= STATE_EVERY_NS:
            self._state_at = now
            replace_state(self.folder, self.frame())

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
        """A kill survives a restart: it is on disk until it is reset."""
        if self._latch is None:
            return
        kill = self.engine.state.kill
        if kill.stopped:
            self._latch.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(self._latch, msgspec.json.encode({"why": kill.why, "at": kill.killed_at}))
        else:
            self._latch.unlink(missing_ok=True)

    def _broken(self, event: Event, commands: list[Command], error: Exception) -> list[Command]:
        """The records cannot be written: nothing that adds risk leaves any more, everything is cancelled, and the screen says why."""
        self.busy = f"records cannot be written, trading is halted: {error}"
        self.log.critical("records cannot be written, trading is halted", extra={"fields": {"why": str(error)}})
        halted = self.engine.step(Killed(event.at, "desk", f"records cannot be written: {error}"))
        return [command for command in [*commands, *halted] if isinstance(command, CancelAll | Sync | Alert)]
