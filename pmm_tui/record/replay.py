"""The proof of a run: its journal, replayed through a fresh engine, must give the same commands and the same state, byte for byte."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from pmm_tui.core.commands import Command
from pmm_tui.core.events import Event
from pmm_tui.record.journal import read
from pmm_tui.record.lines import JournalReader

_CRASHES = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What a bug in an engine raises."""


class Answering(Protocol):
    """What is proven: it answers facts with commands and can say its whole state in a digest."""

    def step(self, event: Event) -> list[Command]:
        """The commands that a fact leads to."""

    def digest(self) -> str:
        """A digest of everything it knows."""


class Difference(Struct, frozen=True):
    """The first place where the replay and the record part."""

    seq: int
    event: str
    """The type of the event; "closing" where only the last state differs."""
    recorded: str
    answered: str


class Proof(Struct, frozen=True):
    """What a replay showed."""

    run: str
    program: str
    """The version that recorded the run."""
    entries: int
    """Entries that were replayed, the differing one included."""
    difference: Difference | None
    recorded_digest: str
    """Empty where the run did not end in order, so that none was recorded."""
    digest: str
    torn: str
    """What is cut off at the journal's end; empty where nothing is."""

    @property
    def holds(self) -> bool:
        """Whether everything that was recorded was answered alike."""
        return self.difference is None

    def __str__(self) -> str:
        """The proof in words."""
        parts = self.difference
        if parts is not None:
            return (
                f"DIFFERS at seq {parts.seq} ({parts.event}) after {self.entries} entries\n"
                f"  recorded: {parts.recorded}\n  answered: {parts.answered}"
            )
        text = f"proven: {self.entries} entries gave the same commands"
        if self.recorded_digest:
            return f"{text}, and the state has the same digest {self.digest}"
        text += f"; the run did not end in order, so no digest was recorded to compare {self.digest} with"
        return f"{text}; torn tail left out: {self.torn}" if self.torn else text


def prove(folder: Path, engine: Callable[[dict[str, Any]], Answering]) -> Proof:
    """Replay a finished run through what `engine` makes of its header, up to the first difference.

    FileNotFoundError where there is no journal, JournalCorrupt where it cannot be believed. What the engine raises is raised on, with a
    note that names the entry.
    """
    journal = read(folder)
    try:
        return _proof(folder, journal, engine(journal.header))
    finally:
        journal.close()


def _proof(folder: Path, journal: JournalReader, desk: Answering) -> Proof:
    encode = msgspec.json.Encoder().encode
    entries = 0
    difference: Difference | None = None
    for entry in journal:
        entries += 1
        try:
            answered = encode(desk.step(entry.event))
        except _CRASHES as error:
            error.add_note(f"while replaying {folder}, seq {entry.seq}, {type(entry.event).__name__}")
            raise
        if answered != entry.asked:
            difference = Difference(entry.seq, type(entry.event).__name__, entry.asked.decode(), answered.decode())
            break
    digest = desk.digest()
    recorded = journal.closing.digest if journal.closing is not None else ""
    if difference is None and recorded and recorded != digest:
        difference = Difference(journal.seq - 1, "closing", recorded, digest)
    return Proof(
        run=str(journal.header.get("run", folder.name)),
        program=str(journal.header.get("program", "")),
        entries=entries,
        difference=difference,
        recorded_digest=recorded,
        digest=digest,
        torn=journal.torn,
    )
