"""Which orders earlier runs signed: any of them may still reach the venue, and none of them is wanted any more."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import zstandard

from pmm_tui.core.events import OrderSigned
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.record.files import SUMMARY
from pmm_tui.record.lines import LIVE, ONGOING

LATELY_S = 3_600
"""What was written within this time is read, whatever ended its run."""
BROKEN_OFF_S = 86_400
"""The same for the last file of a run that did not end in order."""
FILES_MAX = 500
BYTES_MAX = 1 << 30
"""As they lie on the disk. The newest files are read first."""
_SIGNED = b'"type":"OrderSigned"'


class _Line(msgspec.Struct):
    event: OrderSigned


_line = msgspec.json.Decoder(_Line).decode


def signed_before(folder: Path, now: Nanos) -> frozenset[str]:
    """The venue's ids, in lower case, of the orders that the runs beside this run's folder signed lately, whatever became of them.

    Read line by line, as far as it goes: a journal that is torn, damaged or gone costs its own ids and nothing else. What a wrong one could
    do is nothing: an id only ever meets an order of the same wallet.
    """
    files = sorted(_lately(folder, now), reverse=True)[:FILES_MAX]
    found: set[str] = set()
    left = BYTES_MAX
    for _, size, path in files:
        left -= size
        if left < 0:
            break
        found |= {id_.lower() for id_ in _ids(path)}
    return frozenset(found)


def _lately(folder: Path, now: Nanos) -> Iterator[tuple[int, int, Path]]:
    """When each file was written last, how large it is, and where."""
    for run in folder.parent.iterdir() if folder.parent.is_dir() else ():
        if run == folder or not run.is_dir():
            continue
        ended = (run / SUMMARY).exists()
        for path in run.iterdir():
            if path.name != LIVE and not ONGOING.fullmatch(path.name):
                continue
            try:
                about = path.stat()
            except OSError:
                continue  # finished and compressed just now, by a desk of another wallet
            age_s = (now - about.st_mtime_ns) / SECOND
            if age_s <= LATELY_S or (path.name == LIVE and not ended and age_s <= BROKEN_OFF_S):
                yield about.st_mtime_ns, about.st_size, path


def _ids(path: Path) -> Iterable[str]:
    """The ids in one file, up to where it can be read."""
    found: list[str] = []
    try:
        with path.open("rb") as file:
            lines = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file)) if path.suffix == ".zst" else file
            for line in lines:
                if _SIGNED in line:
                    found += _id(line)
    except (OSError, zstandard.ZstdError):
        # The rest of it is lost; what came before is not.
        return found
    return found


def _id(line: bytes) -> list[str]:
    try:
        return [_line(line).event.venue_id]
    except msgspec.DecodeError:
        return []  # cut short, or another event whose text has these words
