"""What a console was told of each desk's events, written down as it was told: a proof that its event log skips nothing."""

from typing import IO

import msgspec
from msgspec import Struct

from pmm_tui.core.snapshot import Frame, NoteRow

ROWS = 50
"""A picture has so many events at most."""


class Told(Struct):
    """What one picture told about a run beyond the one before: events and fills, and whether something between them was never told."""

    run: str
    seq: int
    """The desk's events up to this picture."""
    notes: tuple[NoteRow, ...]
    """Oldest first."""
    fills: int
    """How many fills the run has now."""
    gap: bool
    """Whether the newest events do not join those that were known, or there are more fills than the picture has room for."""


class Heard:
    """Takes every picture that the console shows, and keeps no more than the last one of each run."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._known: dict[str, Frame] = {}

    def take(self, frame: Frame) -> None:
        """Write down what this picture says beyond the last of its run."""
        run, shown = frame.card.run, frame.snapshot
        before = self._known.get(run)
        if before is frame:
            return
        self._known[run] = frame
        if before is None:
            fresh, joined, fills = shown.notes, len(shown.notes) < ROWS, shown.fill_count
        else:
            fresh, joined = beyond(before.snapshot.notes, shown.notes)
            joined = joined and shown.seq >= before.snapshot.seq
            fills = shown.fill_count - before.snapshot.fill_count
        told = Told(run, shown.seq, fresh[::-1], shown.fill_count, not joined or fills > len(shown.fills))
        self._file.write(msgspec.json.encode(told) + b"\n")


def beyond(known: tuple[NoteRow, ...], shown: tuple[NoteRow, ...]) -> tuple[tuple[NoteRow, ...], bool]:
    """The events of `shown` that are newer than all of `known`, and whether the rest joins it; newest first, all of them."""
    fresh = next(number for number in range(len(shown) + 1) if shown[number:] == known[: len(shown) - number])
    return shown[:fresh], fresh < len(shown) or not known
