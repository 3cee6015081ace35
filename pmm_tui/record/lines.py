"""The lines of a journal: how one is sealed, how they are read back, and what a damaged one means.

A line is {"seq":n,"crc":"8 hex digits",<body>}. The crc is CRC-32 of the body's bytes, started from the crc of the line before, so every
line vouches for all lines before it; `seq` counts from 0 without a gap, over all files of a run. Line 0 holds the header.
"""

import io
import re
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import zstandard
from msgspec import Struct

from pmm_tui.core.commands import Alert, Cancel, CancelAll, Command, Merge, Place, Sync, Unwatch, Watch
from pmm_tui.core.events import (
    AccountOpened,
    AccountSeen,
    BookChanged,
    BookReset,
    ClockSeen,
    Event,
    ExternalFilled,
    FillSettled,
    LinkDown,
    LinkUp,
    MarketClosed,
    MarketListed,
    MarketResolved,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRejected,
    OrderSigned,
    OrderUncertain,
    PairsMerged,
    PositionFound,
    ReferenceMoved,
    Ticked,
    TickSizeChanged,
    Traded,
    VenueModeChanged,
    WalletSeen,
)
from pmm_tui.core.instructions import Ended, Flattened, Killed, KillReset, Paused, Resumed, Retuned

Fact = (
    Ticked | BookReset | BookChanged | Traded | TickSizeChanged | ReferenceMoved | MarketListed | MarketClosed | MarketResolved
    | OrderSigned | OrderAccepted | OrderRejected | OrderCancelled | OrderFilled | OrderUncertain | FillSettled | AccountSeen
    | AccountOpened | PositionFound | ExternalFilled | WalletSeen | PairsMerged | LinkUp | LinkDown | VenueModeChanged | ClockSeen
    | Paused | Resumed | Flattened | Killed | KillReset | Ended | Retuned
)
"""Every event that a journal can hold, told apart by its tag."""
Request = Place | Cancel | CancelAll | Sync | Merge | Watch | Unwatch | Alert
"""Every command that a journal can hold."""

SCHEMA = 1
LIVE = "journal.jsonl"
"""The file being written; older ones are journal-000001.jsonl.zst and so on."""
ONGOING = re.compile(r"journal-(\d{6})\.jsonl(\.zst)?")
_FRAME = re.compile(rb'\{"seq":(\d+),"crc":"[0-9a-f]{8}",[^\n]*\}(?=\n)')


class JournalCorrupt(ValueError):
    """The journal cannot be believed from some line on, and it is not merely cut short. The text names file, line and seq."""


class Entry(Struct, frozen=True):
    """One step of the desk: what it learned and what it asked for."""

    seq: int
    event: Event
    commands: list[Command]
    asked: bytes
    """The commands exactly as they were written."""


class Closing(Struct, frozen=True):
    """The last line of a run that ended in order."""

    digest: str


class _Step(Struct):
    event: Fact
    commands: msgspec.Raw


class _End(Struct):
    closing: Closing


class _Start(Struct):
    header: dict[str, Any]


encode = msgspec.json.Encoder().encode
_step = msgspec.json.Decoder(_Step).decode
_requests = msgspec.json.Decoder(list[Request]).decode
decode_fact = msgspec.json.Decoder(Fact).decode


def step_body(event: Event, commands: list[Command]) -> bytes:
    """The body of an entry."""
    return b'"event":%b,"commands":%b}' % (encode(event), encode(commands) if commands else b"[]")


def seal(body: bytes, seq: int, before: int) -> tuple[int, bytes]:
    """The crc that continues the chain from `before`, and the line with its end."""
    crc = zlib.crc32(body, before)
    return crc, b'{"seq":%d,"crc":"%08x",%b\n' % (seq, crc, body)


def unseal(line: bytes, seq: int, before: int) -> tuple[int, bytes] | None:
    """The crc and the body of a whole line; None where a single byte of it is not as `seal` writes it."""
    start = b'{"seq":%d,"crc":"' % seq
    body = line[len(start) + 10 : -1]
    crc = zlib.crc32(body, before)
    return (crc, body) if line == b'%b%08x",%b\n' % (start, crc, body) else None


def segments(folder: Path) -> list[Path]:
    """The files of a run's journal in the order they were written.

    FileNotFoundError where there is none, JournalCorrupt where one is missing. A crash while a file is being compressed leaves
    it twice: the plain one, which goes last, is taken.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir(), reverse=True):
        named = ONGOING.fullmatch(path.name)
        if named:
            found[int(named[1])] = path
    for number, have in enumerate(sorted(found), 1):
        if number != have:
            raise JournalCorrupt(f"{folder}: journal-{number:06d}.jsonl.zst is missing, and journal-{have:06d} is there")
    files = [found[number] for number in sorted(found)]
    if (folder / LIVE).exists():
        files.append(folder / LIVE)
    if not files:
        raise FileNotFoundError(f"{folder}: no journal here")
    return files


class JournalReader(Iterator[Entry]):
    """The entries of a run, once, in order. Reads only: a torn tail stays where it is.

    `header` is there from the start. At the end `closing` is the last line of a run that ended in order, None for one that did not; `torn`
    says what the cut-off bytes after the last whole line are, empty where there are none. JournalCorrupt, at the line, for anything worse.
    """

    __slots__ = ("_entries", "closing", "crc", "end", "header", "seq", "torn")

    def __init__(self, folder: Path) -> None:
        self.seq = 0
        """The seq that the next line would have."""
        self.crc = 0
        self.end = 0
        """Where the whole lines of the live file end, in bytes."""
        self.torn = ""
        self.closing: Closing | None = None
        self.header: dict[str, Any] = {}
        self._entries = self._read(folder)
        next(self._entries, None)
        if not self.header:
            raise JournalCorrupt(f"{folder / LIVE}: line 1, seq 0: no whole header: this run recorded nothing")

    def __iter__(self) -> "JournalReader":
        """Itself: a journal is read once."""
        return self

    def __next__(self) -> Entry:
        """The next entry."""
        entry = next(self._entries)
        if entry is None:
            raise AssertionError("the header comes first and once")
        return entry

    def close(self) -> None:
        """Let go of the file before the end."""
        self._entries.close()

    def _read(self, folder: Path) -> Generator[Entry | None, None, None]:
        for path in segments(folder):
            self.end = 0
            try:
                with path.open("rb") as file:
                    lines = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file)) if path.suffix == ".zst" else file
                    yield from self._lines(path, lines)
            except zstandard.ZstdError as wrong:
                raise JournalCorrupt(f"{path}: damaged at seq {self.seq}: {wrong}") from None

    def _lines(self, path: Path, file: IO[bytes]) -> Generator[Entry | None, None, None]:
        for number, line in enumerate(file, 1):
            opened = unseal(line, self.seq, self.crc)
            if opened is None:
                self.torn = _torn(path, number, self.seq, line + file.read())
                return
            if self.closing is not None:
                raise JournalCorrupt(f"{path}: line {number}, seq {self.seq}: an entry after the closing line")
            self.crc, body = opened
            try:
                entry = self._entry(body)
            except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
                raise JournalCorrupt(f"{path}: line {number}, seq {self.seq}: whole, but not what this program writes: {wrong}") from None
            self.seq += 1
            self.end += len(line)
            if entry is not None or self.seq == 1:
                yield entry

    def _entry(self, body: bytes) -> Entry | None:
        text = b"{" + body
        if self.seq == 0:
            self.header = msgspec.json.decode(text, type=_Start).header
            if self.header.get("journal") != SCHEMA:
                raise msgspec.ValidationError(f"a journal of schema {self.header.get('journal')}; this program reads {SCHEMA}")
            return None
        if body.startswith(b'"event":'):
            step = _step(text)
            asked = bytes(step.commands)
            commands: list[Command] = [] if asked == b"[]" else list(_requests(asked))
            return Entry(self.seq, step.event, commands, asked)
        self.closing = msgspec.json.decode(text, type=_End).closing
        return None


def _torn(path: Path, number: int, seq: int, rest: bytes) -> str:
    """What a bad line is: a torn tail, in words; or corruption (JournalCorrupt), where a frame follows it or the file was finished."""
    where = f"{path}: line {number}, seq {seq}"
    if path.name != LIVE:
        raise JournalCorrupt(f"{where}: the line is damaged, in a file that was complete")
    later = next((found[1].decode() for found in _FRAME.finditer(rest, 1) if _is_json(found[0])), None)
    if later is not None:
        raise JournalCorrupt(f"{where}: the line is damaged, and seq {later} follows: this is no torn tail")
    return f"{where}: {len(rest)} bytes after the last whole line"


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True
