"""The journal keeps what was written: through kills, torn tails, flipped bits, full disks and rotations."""

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pmm_tui.core.commands import Command
from pmm_tui.core.events import Event, LinkDown, MarketListed, Ticked
from pmm_tui.core.instructions import Instruction, Retuned
from pmm_tui.core.market import Fees
from pmm_tui.record.journal import BALLAST, Journal, JournalBroken, JournalFull, read
from pmm_tui.record.lines import Fact, Request
from tests.replay.examples import AT, FACTS, HEADER, MARKET, REQUESTS, STEPS, TICKS, small_run, steps_of

ROOT = Path(__file__).resolve().parents[2]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def leaves(kind: type) -> set[type]:
    below: list[type] = kind.__subclasses__()
    return {kind}.union(*(leaves(sub) for sub in below))


def test_every_fact_and_request_reads_back_equal(tmp_path: Path) -> None:
    small_run(tmp_path / "run")
    journal = read(tmp_path / "run")
    entries = list(journal)
    assert steps_of(entries) == STEPS
    assert [entry.seq for entry in entries] == list(range(1, len(STEPS) + 1))
    assert {key: value for key, value in journal.header.items() if key != "journal"} == HEADER
    assert journal.closing is not None
    assert (journal.closing.digest, journal.torn) == ("d1", "")
    assert [type(entry.event) for entry in entries] == [type(fact) for fact in FACTS]


def test_the_unions_and_the_examples_hold_every_type() -> None:
    assert leaves(Event) - {Event, Instruction} == set(Fact.__args__) == {type(fact) for fact in FACTS}
    assert leaves(Command) - {Command} == set(Request.__args__) == {type(request) for request in REQUESTS}


def test_files_are_private_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        journal = Journal(tmp_path / "run", HEADER, ballast_mib=0.1, rotate_mib=0.001)
        for event, asked in STEPS:
            journal.write(event, asked)
        assert mode(tmp_path / "run") == 0o700
        journal.close()
    finally:
        os.umask(before)
    files = list((tmp_path / "run").iterdir())
    assert len(files) > 3
    assert {mode(path) for path in files} == {0o600}


def test_the_ballast_goes_at_the_end(tmp_path: Path) -> None:
    journal = Journal(tmp_path, HEADER, ballast_mib=0.5)
    assert (tmp_path / BALLAST).stat().st_blocks * 512 >= 1 << 19
    journal.close("d")
    assert not (tmp_path / BALLAST).exists()


def test_what_is_not_finite_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path, HEADER, ballast_mib=0)
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not finite"):
            journal.write(Retuned(AT, "cli", {"gamma": value}), [])
    with pytest.raises(ValueError, match="not finite"):
        journal.write(MarketListed(AT, type(MARKET)("i", "s", "q", "1", "2", MARKET.tick, MARKET.min_size, fees=Fees(float("inf")))), [])
    with pytest.raises(UnicodeEncodeError):
        journal.write(LinkDown(AT, "market", "\ud800"), [])
    journal.write(Ticked(AT), [])
    journal.close()
    assert steps_of(read(tmp_path)) == [(Ticked(AT), [])]


def test_a_journal_has_one_writer_and_one_beginning(tmp_path: Path) -> None:
    journal = Journal(tmp_path, HEADER, ballast_mib=0)
    with pytest.raises(FileExistsError):
        Journal(tmp_path, HEADER)
    with pytest.raises(BlockingIOError, match="another desk"):
        Journal(tmp_path, None)
    journal.close("d")
    with pytest.raises(FileExistsError, match="has ended"):
        Journal(tmp_path, None)
    with pytest.raises(JournalBroken, match="closed"):
        journal.write(Ticked(AT), [])
    journal.close("again")
    assert list(read(tmp_path)) == []
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "..")
    with pytest.raises(FileNotFoundError):
        Journal(tmp_path / "nothing", None)


def test_production_syncs_before_any_command_leaves_and_paper_on_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    true_sync = os.fdatasync

    def watched(fd: int) -> None:
        true_sync(fd)
        synced.append(os.fstat(fd).st_size)

    monkeypatch.setattr(os, "fdatasync", watched)
    for sync_ms, expected in ((0, 3), (1_000_000, 0)):
        journal = Journal(tmp_path / str(sync_ms), HEADER, ballast_mib=0, sync_ms=sync_ms)
        synced.clear()
        for event, asked in TICKS:
            journal.write(event, asked)
            if asked and not sync_ms:
                assert synced[-1] == (tmp_path / "0" / "journal.jsonl").stat().st_size
        assert len(synced) == expected
        journal.close()


def fill(journal: Journal) -> int:
    """Put a full device in place of the journal's file; returns the true one."""
    true = os.dup(journal.fileno())
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, journal.fileno())
    os.close(full)
    return true


def test_F61_a_full_disk_is_a_typed_refusal_and_the_journal_stays_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path, HEADER, ballast_mib=0.1, sync_ms=1_000_000)
    journal.write(*TICKS[0])
    true = fill(journal)
    with pytest.raises(JournalFull) as refused:
        journal.write(*TICKS[1])
    assert (refused.value.errno, refused.value.recorded) == (errno.ENOSPC, False)
    assert not (tmp_path / BALLAST).exists(), "the ballast was let go"
    os.dup2(true, journal.fileno())
    os.close(true)
    journal.write(*TICKS[2])
    journal.close("d")
    assert steps_of(read(tmp_path)) == [TICKS[0], TICKS[2]]


LIMITED = """
import resource, signal, sys
from pathlib import Path
from pmm_tui.core.events import LinkDown
from pmm_tui.core.units import Nanos
from pmm_tui.record.journal import Journal, JournalFull
journal = Journal(Path(sys.argv[1]), {}, ballast_mib=0, sync_ms=0)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    while True:
        journal.write(LinkDown(Nanos(journal.seq), "market", "x" * 300), [])
except JournalFull as full:
    print(journal.seq, full.recorded)
journal.close()
"""


def test_F61_a_write_that_ends_half_way_is_undone(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True)
    seq, recorded = done.stdout.split()
    journal = read(tmp_path)
    assert (len(list(journal)), journal.torn) == (int(seq) - 1, "")
    assert recorded == "False"
    assert int(seq) > 20


FILLED = """
import subprocess, sys
from pathlib import Path
from pmm_tui.core.commands import CancelAll
from pmm_tui.core.events import LinkDown
from pmm_tui.core.instructions import Killed
from pmm_tui.core.units import Nanos
from pmm_tui.record.journal import BALLAST, Journal, JournalFull, read
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
journal = Journal(folder / "run", {}, ballast_mib=0.25, sync_ms=0)
try:
    while True:
        journal.write(LinkDown(Nanos(journal.seq), "market", "x" * 3000), [])
except JournalFull as full:
    assert full.recorded and not (folder / "run" / BALLAST).exists()
journal.write(Killed(Nanos(journal.seq), "desk", "disk full"), [CancelAll()])
journal.close("digest")
again = read(folder / "run")
entries = list(again)
assert [entry.event.at for entry in entries] == list(range(1, len(entries) + 1)) and entries[-1].commands == [CancelAll()]
print(len(entries), again.closing.digest)
"""


def test_F61_on_a_full_disk_the_halt_fits_in_the_ballast(tmp_path: Path) -> None:
    words = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", FILLED, str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run([*words[:3], "true"], capture_output=True, check=False).returncode:
        pytest.skip("no private mounts here: a small disk cannot be made")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, digest = done.stdout.split()
    assert int(count) > 100
    assert digest == "digest"


def test_F62_a_failed_sync_is_for_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, HEADER, ballast_mib=0, sync_ms=0)
    failures = [OSError(errno.EIO, "Input/output error")]
    true_sync = os.fdatasync

    def fails_once(fd: int) -> None:
        if failures:
            raise failures.pop()
        true_sync(fd)

    monkeypatch.setattr(os, "fdatasync", fails_once)
    journal.write(*TICKS[0])
    with pytest.raises(JournalBroken, match="Input/output"):
        journal.write(*TICKS[1])
    with pytest.raises(JournalBroken):
        journal.write(*TICKS[2])
    with pytest.raises(JournalBroken):
        journal.sync()
    journal.close("d")
    found = read(tmp_path)
    list(found)
    assert found.closing is None


def test_a_journal_that_cannot_begin_lets_go_of_its_file(tmp_path: Path) -> None:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        with pytest.raises(JournalFull, match="ballast"):
            Journal(tmp_path, HEADER, ballast_mib=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert not (tmp_path / BALLAST).exists()
