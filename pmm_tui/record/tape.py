"""A tape: raw frames of the outside world with the time each was received, as zstandard-compressed JSON lines.

The first line is the header. Every other line is one frame, its text untouched: {"at": <ns>, "ch": "market", "raw": "<text>"}.
"""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard
from msgspec import Struct

from pmm_tui.core.units import MILLI, Nanos
from pmm_tui.record.files import open_private, write_all

_log = logging.getLogger(__name__)

MARKET = "market"
"""Channel of market-channel frames."""
GAMMA = "gamma"
"""Channel of Gamma market objects, one a frame."""
REST = "rest"
"""Channel of the bodies of REST /book replies."""

_VERSION = 1
_CHUNK = 16_384
"""Compressed bytes read at a time: small, so that a tape's position moves evenly."""
_WINDOW_LOG = 21
"""2 MiB: the highest levels would have every reader hold 128 MiB, for 1 % less."""
_LINE_MAX = 32 << 20
"""A feed takes frames of 4 MiB at most, whose text can grow sixfold as a JSON string."""


class TapeCorrupt(ValueError):
    """The file is not a tape, or is damaged other than by a cut at its end."""


class TapeHeader(Struct, frozen=True):
    """What a tape is and where it comes from."""

    tape: int = _VERSION
    made_by: str = ""
    source: str = ""
    trades: bool = True
    """Whether trades were recorded: a fill model driven by trades refuses a tape without them."""
    attribution: str = ""
    note: str = ""


class TapeFrame(Struct, frozen=True, gc=False, rename={"channel": "ch"}):
    """One frame as it was received at `at`."""

    at: Nanos
    channel: str
    raw: str


class TapeWriter:
    """Writes a new tape, 0600; an existing file is never overwritten (FileExistsError). OSError where the disk refuses.

    What was received more than `block_ms`, or `block_frames` frames, before the newest frame can be read back even after a kill.
    A recorder on a quiet market calls `flush` by its own clock.
    """

    __slots__ = ("_block_frames", "_block_ns", "_encode", "_fd", "_flushed_at", "_held", "_stream", "frames")

    def __init__(
        self, path: Path, header: TapeHeader | None = None, *, level: int = 6, block_frames: int = 1_000, block_ms: int = 1_000
    ) -> None:
        self._encode = msgspec.json.Encoder().encode
        how = zstandard.ZstdCompressionParameters.from_level(level, window_log=_WINDOW_LOG, write_checksum=True)
        self._stream = zstandard.ZstdCompressor(compression_params=how).compressobj()
        self._block_frames = block_frames
        self._block_ns = block_ms * MILLI
        self._held = 0
        self._flushed_at = Nanos(0)
        self.frames = 0
        self._fd = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        write_all(self._fd, self._stream.compress(self._encode(header or TapeHeader()) + b"\n"))
        self.flush()

    def write(self, at: Nanos, channel: str, raw: str) -> None:
        """Append one frame."""
        write_all(self._fd, self._stream.compress(self._encode(TapeFrame(at, channel, raw)) + b"\n"))
        self.frames += 1
        self._held += 1
        if self._held >= self._block_frames or at - self._flushed_at >= self._block_ns:
            self._flushed_at = at
            self.flush()

    def flush(self) -> None:
        """End the compressed block: all that was written can be read from now on."""
        self._held = 0
        write_all(self._fd, self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK))

    def close(self) -> None:
        """End the tape, make it durable and let go of the file. A second call does nothing."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        try:
            write_all(fd, self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH))
            os.fsync(fd)
        finally:
            os.close(fd)


class TapeReader(Iterator[TapeFrame]):
    """The frames of a tape, once, in the order they were received. `header` is there from the start.

    A tape whose recorder was killed ends early: every whole frame is given, and `torn` says what is missing.
    """

    __slots__ = ("_file", "_frames", "_line", "_name", "_read", "_size", "header", "torn")

    def __init__(self, path: Path) -> None:
        self._name = str(path)
        self._size = max(1, path.stat().st_size)
        self._read = 0
        self._line = 0
        self.torn = ""
        self._file: BinaryIO = path.open("rb")
        lines = self._lines()
        self.header = self._header(next(lines, b""))
        self._frames = self._decoded(lines)

    def __iter__(self) -> "TapeReader":
        """Itself: a tape is read once."""
        return self

    def __next__(self) -> TapeFrame:
        """The next frame; TapeCorrupt where the tape is damaged."""
        return next(self._frames)

    def close(self) -> None:
        """Let go of the file before the end."""
        self._file.close()

    @property
    def position(self) -> float:
        """The part of the file that was read, 0..1."""
        return self._read / self._size

    def _header(self, line: bytes) -> TapeHeader:
        try:
            header = msgspec.json.decode(line, type=TapeHeader)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            self.close()
            raise TapeCorrupt(f"{self._name}: not a tape: its first line is no header ({wrong})") from None
        if header.tape != _VERSION:
            self.close()
            raise TapeCorrupt(f"{self._name}: a tape of version {header.tape}; this program reads version {_VERSION}")
        return header

    def _decoded(self, lines: Iterator[bytes]) -> Iterator[TapeFrame]:
        decode = msgspec.json.Decoder(TapeFrame).decode
        for line in lines:
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
                raise TapeCorrupt(f"{self._name}: line {self._line}: {wrong}") from None

    def _lines(self) -> Iterator[bytes]:
        """Whole lines of the decompressed text; a last one without an end is named in `torn` and left out."""
        rest = b""
        with self._file:
            for text in self._texts():
                *lines, rest = (rest + text).split(b"\n")
                for line in lines:
                    self._line += 1
                    yield line
                if len(rest) > _LINE_MAX:
                    raise TapeCorrupt(f"{self._name}: line {self._line + 1} is longer than {_LINE_MAX} bytes")
        if rest and not self.torn:
            self.torn = "its last line is incomplete"
        if self.torn:
            _log.warning("tape %s was cut short after line %d: %s", self._name, self._line, self.torn)

    def _texts(self) -> Iterator[bytes]:
        """Decompressed pieces. Concatenated tapes' compressed frames are read one after the other."""
        stream = zstandard.ZstdDecompressor().decompressobj()
        fresh = True
        while piece := self._file.read(_CHUNK):
            self._read += len(piece)
            while piece:
                try:
                    text = stream.decompress(piece)
                except zstandard.ZstdError as wrong:
                    raise TapeCorrupt(f"{self._name}: damaged after line {self._line}: {wrong}") from None
                yield text
                fresh = stream.eof
                piece = stream.unused_data if fresh else b""
                if fresh:
                    stream = zstandard.ZstdDecompressor().decompressobj()
        if not fresh:
            self.torn = "the recorder was stopped before it could end the tape"


def read_tape(path: Path) -> TapeReader:
    """Open a tape: its header, then its frames. TapeCorrupt where it is none; OSError where it cannot be read."""
    return TapeReader(path)
