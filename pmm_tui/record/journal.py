"""The journal: every fact with the commands it led to, written down before a command leaves.

Theory of operation. `write` returns once the line is with the operating system, so a killed process loses nothing it acted upon; and once
it is on the disk where `sync_ms` asks for that, so a power cut loses nothing either. A write that fails half-way is undone, so the file
always ends in a whole line, unless the process died inside the write: that torn tail is cut and kept aside when the run is taken up again.
A full disk is survived in the room of the ballast file; a failed fdatasync never is, as the kernel may forget what it could not write.
"""

import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import zstandard

from pmm_tui.core.commands import Command
from pmm_tui.core.events import Event, MarketListed
from pmm_tui.core.instructions import Retuned
from pmm_tui.record.files import open_private, private_folder, sync_folder, write_all
from pmm_tui.record.lines import LIVE, ONGOING, SCHEMA, Closing, JournalReader, decode_fact, encode, seal, segments, step_body

_log = logging.getLogger(__name__)

BALLAST = "ballast"
"""Room on the disk that is let go when it is full, so that the halt can still be written."""
_DRAFT = f".{LIVE}.new"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_WITH_FLOATS = (MarketListed, Retuned)
"""Facts with floats in them: one that is not finite has no spelling in JSON."""


class JournalFull(OSError):
    """The disk is full: halt. `recorded`: this entry is written all the same, in the room of the ballast, where the halt fits in too."""

    recorded = False


class JournalBroken(OSError):
    """The disk failed, or the journal is closed. Nothing can be written any more, and what was written last may be lost."""


class Journal:
    """The journal of one run, for its one writer. OSError where the disk refuses; BlockingIOError where another desk writes here."""

    __slots__ = (
        "_broken", "_compression", "_crc", "_fd", "_folder", "_rotate_at", "_rotate_bytes", "_seq", "_size", "_sync_ns", "_synced_at"
    )  # fmt: skip

    def __init__(
        self,
        folder: Path,
        header: Mapping[str, object] | None,
        *,
        sync_ms: int = 50,
        rotate_mib: float = 64,
        ballast_mib: float = 4,
    ) -> None:
        """Begin a run with its header (FileExistsError where the folder has a journal); without one, take up the run that is there.

        sync_ms: how long a line may wait for the disk; 0 means that lines with commands never wait, as production needs.
        rotate_mib: the size at which a file is finished, compressed and followed by a new one.
        """
        self._folder = folder if header is None else private_folder(folder)
        self._sync_ns = sync_ms * 1_000_000
        self._synced_at = time.monotonic_ns()
        self._rotate_bytes = self._rotate_at = int(rotate_mib * (1 << 20))
        self._compression: threading.Thread | None = None
        self._seq = self._crc = self._size = 0
        self._broken = ""
        if header is None:
            segments(folder)
        elif any(ONGOING.fullmatch(path.name) for path in folder.iterdir()):
            raise FileExistsError(errno.EEXIST, "there is a journal already", str(folder))
        self._fd = _locked(folder / LIVE, os.O_CREAT if header is None else os.O_CREAT | os.O_EXCL)
        try:
            if header is None:
                self._take_up()
            else:
                self._append(b'"header":%b}' % encode({"journal": SCHEMA, **header}))
            self._load_ballast(int(ballast_mib * (1 << 20)))
            self.sync()
            sync_folder(folder)
        except (OSError, ValueError):
            self._let_go()
            raise

    @property
    def seq(self) -> int:
        """Lines written so far, over all files."""
        return self._seq

    def fileno(self) -> int:
        """The descriptor of the file being written."""
        return self._fd

    def write(self, event: Event, commands: list[Command]) -> None:
        """Write one step down; its commands may leave when this returns. JournalFull or JournalBroken: they may not, but for cancels.

        ValueError where the fact cannot be written such that it reads back the same; nothing is written then.
        """
        if isinstance(event, _WITH_FLOATS):
            _check(event)
        self._append(step_body(event, commands))
        if commands if self._sync_ns == 0 else time.monotonic_ns() - self._synced_at >= self._sync_ns:
            self.sync()

    def sync(self) -> None:
        """Everything written is on the disk when this returns; JournalBroken where it is not, for good."""
        if self._broken:
            raise JournalBroken(errno.EIO, self._broken)
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            raise self._break(error) from error
        self._synced_at = time.monotonic_ns()

    def close(self, digest: str | None = None) -> None:
        """End the run with the digest of the engine's state; without one the run reads as one that did not end in order. Twice is once."""
        if self._fd < 0:
            return
        try:
            if digest is not None and not self._broken:
                self._append(b'"closing":%b}' % encode(Closing(digest)))
                self.sync()
        finally:
            self._let_go()
            if self._compression is not None:
                self._compression.join()
        compress(self._folder)
        (self._folder / BALLAST).unlink(missing_ok=True)

    def _append(self, body: bytes) -> None:
        if self._broken:
            raise JournalBroken(errno.EIO, self._broken)
        crc, line = seal(body, self._seq, self._crc)
        full: JournalFull | None = None
        try:
            write_all(self._fd, line)
        except OSError as error:
            full = self._save(line, error)
        self._crc = crc
        self._seq += 1
        self._size += len(line)
        if full is not None:
            raise full
        if self._size >= self._rotate_at:
            self._rotate()

    def _save(self, line: bytes, error: OSError) -> JournalFull:
        """Undo the half-written line, let go of the ballast and write the line there; JournalFull is raised where that fails too."""
        self._undo(error)
        if error.errno not in _FULL:
            raise self._break(error) from error
        full = JournalFull(error.errno, f"{os.strerror(error.errno or 0)}: the journal cannot grow", str(self._folder / LIVE))
        ballast = self._folder / BALLAST
        if not ballast.exists():
            raise full from error
        ballast.unlink()
        try:
            write_all(self._fd, line)
        except OSError as again:
            self._undo(again)
            raise full from again
        full.recorded = True
        return full

    def _undo(self, error: OSError) -> None:
        try:
            if os.fstat(self._fd).st_size > self._size:
                os.ftruncate(self._fd, self._size)
        except OSError as worse:
            raise self._break(worse) from error

    def _break(self, error: OSError) -> JournalBroken:
        self._broken = f"{error.strerror}: the journal is broken"
        return JournalBroken(error.errno, self._broken, str(self._folder / LIVE))

    def _rotate(self) -> None:
        """Finish this file and go on in a new one. A crash at any point leaves every line in exactly one place that is read."""
        self.sync()
        done = self._folder / f"journal-{_last_number(self._folder) + 1:06d}.jsonl"
        try:
            fresh = _locked(self._folder / _DRAFT, os.O_CREAT | os.O_TRUNC)
        except OSError as error:
            _log.warning("the journal goes on in the same file: %s", error)
            self._rotate_at = self._size + self._rotate_bytes
            return
        try:
            (self._folder / LIVE).rename(done)
            (self._folder / _DRAFT).rename(self._folder / LIVE)
            sync_folder(self._folder)
        except OSError as error:
            os.close(fresh)
            raise self._break(error) from error
        os.close(self._fd)
        self._fd, self._size, self._rotate_at = fresh, 0, self._rotate_bytes
        if self._compression is None or not self._compression.is_alive():
            self._compression = threading.Thread(target=compress, args=(self._folder,), name="journal compression", daemon=True)
            self._compression.start()

    def _take_up(self) -> None:
        reader = read(self._folder)
        for _ in reader:
            pass
        if reader.closing is not None:
            raise FileExistsError(errno.EEXIST, "the run has ended", str(self._folder))
        self._seq, self._crc, self._size = reader.seq, reader.crc, reader.end
        if reader.torn:
            kept = _set_aside(self._folder / LIVE, self._fd, reader.end)
            _log.warning("torn journal tail: %s; kept in %s", reader.torn, kept.name)

    def _load_ballast(self, size: int) -> None:
        if not size:
            return
        fd = open_private(self._folder / BALLAST, os.O_RDWR | os.O_CREAT)
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            (self._folder / BALLAST).unlink()
            raise JournalFull(error.errno, "no room for the journal's ballast", str(self._folder)) from error
        finally:
            os.close(fd)

    def _let_go(self) -> None:
        os.close(self._fd)
        self._fd = -1
        self._broken = "the journal is closed"


def read(folder: Path) -> JournalReader:
    """The header and the entries of a run. FileNotFoundError where there is no journal; JournalCorrupt where it cannot be believed."""
    return JournalReader(folder)


def compress(folder: Path) -> None:
    """Compress the finished files of a journal. Where that fails the plain file stays, and is read as well."""
    for path in sorted(folder.glob("journal-??????.jsonl")):
        draft = path.with_name(f".{path.name}.zst.new")
        try:
            with path.open("rb") as source, os.fdopen(open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as target:
                zstandard.ZstdCompressor(level=3, write_checksum=True).copy_stream(source, target, size=path.stat().st_size)
                target.flush()
                os.fsync(target.fileno())
            draft.rename(path.with_name(f"{path.name}.zst"))
            sync_folder(folder)
            path.unlink()
        except (OSError, zstandard.ZstdError) as error:
            _log.warning("%s stays uncompressed: %s", path.name, error)
            draft.unlink(missing_ok=True)


def _locked(path: Path, flags: int) -> int:
    """An open journal file that no other desk writes; BlockingIOError where one does."""
    fd = open_private(path, os.O_RDWR | os.O_APPEND | flags)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise BlockingIOError(errno.EAGAIN, "another desk is writing this journal", str(path)) from None
    return fd


def _last_number(folder: Path) -> int:
    return max((int(named[1]) for path in folder.iterdir() if (named := ONGOING.fullmatch(path.name))), default=0)


def _set_aside(path: Path, fd: int, end: int) -> Path:
    """Move what follows the last whole line into a file of its own, then cut it off."""
    number = 1
    while (kept := path.with_name(f"{path.name}.torn-{number}")).exists():
        number += 1
    tail = os.pread(fd, os.fstat(fd).st_size - end, end)
    other = open_private(kept, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_all(other, tail)
        os.fsync(other)
    finally:
        os.close(other)
    sync_folder(path.parent)
    os.ftruncate(fd, end)
    os.fsync(fd)
    return kept


def _check(event: Event) -> None:
    try:
        same = decode_fact(encode(event)) == event
    except msgspec.ValidationError:
        same = False
    if not same:
        raise ValueError(f"{type(event).__name__} cannot be written down: a number in it is not finite: {event!r:.300}")
