"""The demo's tape played again and again, as one tape: each time later, its markets under names and ids of their own."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from heapq import merge
from pathlib import Path
from typing import Any

from pmm_tui.core.units import MILLI, SECOND, Nanos
from pmm_tui.record.tape import GAMMA, TapeFrame, TapeWriter, read_tape

ROUND_S = 8_100
"""Nine windows of 15 minutes: the first market of a round follows the last one of the round before, as it would at the venue."""
_ISO = "%Y-%m-%dT%H:%M:%SZ"


def lengthen(source: Path, target: Path, seconds: float) -> None:
    """Write a tape of at least so many seconds from the demo's; FileExistsError where there is a file of that name."""
    tape = read_tape(source)
    header, frames = tape.header, list(tape)
    writer = TapeWriter(target, header)
    try:
        for frame in repeated(frames, 1 + int(seconds // ROUND_S)):
            writer.write(frame.at, frame.channel, frame.raw)
    finally:
        writer.close()


def repeated(frames: Sequence[TapeFrame], rounds: int) -> Iterator[TapeFrame]:
    """All rounds in the order of time; the end of one overlaps the beginning of the next."""
    return merge(*(_round(frames, number) for number in range(rounds)), key=lambda frame: frame.at)


def _round(frames: Sequence[TapeFrame], number: int) -> Iterator[TapeFrame]:
    later_s = number * ROUND_S
    for frame in frames:
        said: dict[str, Any] = json.loads(frame.raw)
        if frame.channel == GAMMA:
            _listed(said, number, later_s)
        else:
            said["market"], said["asset_id"] = _hex(said["market"], number), _decimal(said["asset_id"], number)
            said["timestamp"] = str(int(said["timestamp"]) + later_s * SECOND // MILLI)
        yield TapeFrame(Nanos(frame.at + later_s * SECOND), frame.channel, json.dumps(said, separators=(",", ":")))


def _listed(said: dict[str, Any], number: int, later_s: int) -> None:
    """A Gamma object, in place."""
    series, start = said["slug"].rsplit("-", 1)
    opens = int(start) + later_s
    said["slug"] = f"{series}-{opens}"
    said["question"] = f"{said['question'].partition(' - ')[0]} - {datetime.fromtimestamp(opens, UTC):%B %d, %H:%M} UTC"
    said["conditionId"] = _hex(said["conditionId"], number)
    said["clobTokenIds"] = json.dumps([_decimal(token, number) for token in json.loads(said["clobTokenIds"])])
    for name in ("eventStartTime", "endDate"):
        at = datetime.strptime(said[name], _ISO).replace(tzinfo=UTC).timestamp() + later_s
        said[name] = datetime.fromtimestamp(at, UTC).strftime(_ISO)


def _mark(id_: str, number: int) -> bytes:
    return hashlib.sha256(f"{id_}:{number}".encode()).digest()


def _hex(id_: str, number: int) -> str:
    """A condition id of its own for each round but the first."""
    return f"0x{_mark(id_, number).hex()}" if number else id_


def _decimal(id_: str, number: int) -> str:
    """The same of a token id."""
    return str(int.from_bytes(_mark(id_, number), "big")) if number else id_
