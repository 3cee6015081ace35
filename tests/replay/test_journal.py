"""The journal keeps what was written: through kills, torn tails, flipped bits, full disks and rotations."""

import errno
import os
import random
import resource
import shutil
import stat
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard

from pmm_tui.core.commands import Cancel, Command
from pmm_tui.core.events import Event, LinkDown, MarketListed, Ticked
from pmm_tui.core.instructions import Instruction, Killed, Retuned
from pmm_tui.core.market import Fees
from pmm_tui.core.units import Nanos
from pmm_tui.record.journal import BALLAST, Journal, JournalBroken, JournalFull, compress, read
from pmm_tui.record.lines import Entry, Fact, JournalCorrupt, Request, seal, segments, step_body
from tests.replay.examples import AT, FACTS, HEADER, MARKET, REQUESTS, STEPS, small_run

ROOT = Path(__file__).resolve().parents[2]
TICKS: list[tuple[Event, list[Command]]] = [(Ticked(Nanos(n)), [Cancel(n)] if n % 2 else []) for n in range(6)]


def steps_of(entries: list[Entry]) -> list[tuple[Event, list[Command]]]:
    return [(entry.event, entry.commands) for entry in entries]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def leaves(kind: type) -> set[type]:
    below: list[type] = kind.__subclasses__()
    return {kind}.union(*(leaves(sub) for sub in below))


# What is written reads back


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
    assert steps_of(list(read(tmp_path))) == [(Ticked(AT), [])]


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


# Killed, torn, damaged


def killed(folder: Path, seed: int) -> int:
    """Kill a writer after some hundred entries at most; the last seq that it had acknowledged."""
    chance = random.Random(seed)
    how = (str(folder), str(seed), str(chance.choice((0.02, 1, 64))), str(chance.choice((0, 1, 50))))
    with subprocess.Popen([sys.executable, "-m", "tests.replay.writer", *how], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(chance.randrange(1, 120))]
        process.kill()
        return int([*said, *process.stdout.read().splitlines()][-1])


@pytest.mark.parametrize("seed", range(30))
def test_F59_F63_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, seed: int) -> None:
    folder = tmp_path / "run"
    acknowledged = killed(folder, seed)
    before = read(folder)
    entries = list(before)
    assert len(entries) in (acknowledged, acknowledged + 1), "one more may be written whose acknowledgement was not"
    assert all(entry.event.at == entry.seq and entry.commands == [Cancel(entry.seq)] for entry in entries)
    journal = Journal(folder, None, ballast_mib=0)
    assert journal.seq == len(entries) + 1
    assert len(list(folder.glob("*.torn-1"))) == bool(before.torn)
    journal.write(Ticked(AT), [])
    journal.close("d")
    after = read(folder)
    assert list(after)[:-1] == entries
    assert (after.torn, after.closing is None) == ("", False)


def test_F63_cut_at_every_byte_the_tail_is_kept_aside(tmp_path: Path) -> None:
    whole = small_run(tmp_path / "whole", STEPS[:4], None).read_bytes()
    header = whole.index(b"\n") + 1
    for cut in range(len(whole) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(whole[:cut])
        if cut < header:
            with pytest.raises(JournalCorrupt, match="recorded nothing"):
                Journal(folder, None)
            continue
        kept = whole[:cut].count(b"\n") - 1
        tail = whole[:cut].rpartition(b"\n")[2]
        journal = read(folder)
        assert steps_of(list(journal)) == STEPS[:kept]
        assert bool(journal.torn) == bool(tail)
        assert (folder / "journal.jsonl").read_bytes() == whole[:cut], "reading changes nothing"
        again = Journal(folder, None, ballast_mib=0)
        again.write(Ticked(AT), [])
        again.close()
        assert steps_of(list(read(folder))) == [*STEPS[:kept], (Ticked(AT), [])]
        assert [path.read_bytes() for path in folder.glob("*.torn-*")] == ([tail] if tail else [])
        shutil.rmtree(folder)


def test_a_second_torn_tail_has_its_own_file(tmp_path: Path) -> None:
    live = small_run(tmp_path, STEPS[:2], None)
    for number in (1, 2):
        with live.open("ab") as file:
            file.write(b'{"seq":3,"crc":"0' + b"\0" * number)
        Journal(tmp_path, None, ballast_mib=0).close()
        assert (tmp_path / f"journal.jsonl.torn-{number}").read_bytes().endswith(b"\0" * number)
    assert steps_of(list(read(tmp_path))) == STEPS[:2]


def test_F64_no_flipped_bit_is_ever_silently_wrong(tmp_path: Path) -> None:
    live = small_run(tmp_path, [*STEPS[8:14], *TICKS])
    whole = bytearray(live.read_bytes())
    expected = steps_of(list(read(tmp_path)))
    refused = torn = 0
    for position in range(len(whole)):
        for bit in range(8):
            whole[position] ^= 1 << bit
            live.write_bytes(whole)
            whole[position] ^= 1 << bit
            try:
                journal = read(tmp_path)
                found = steps_of(list(journal))
            except JournalCorrupt as corrupt:
                assert "journal.jsonl: line " in str(corrupt)
                assert "seq " in str(corrupt)
                refused += 1
                continue
            assert journal.torn
            assert journal.closing is None
            assert found == expected, "only the closing line may count as a torn tail: every other one has a frame after it"
            torn += 1
    assert refused > 0
    assert torn == 8 * len(whole[whole.rstrip().rindex(b"\n") + 1 :])


@pytest.mark.parametrize("fault", ["lost", "doubled", "swapped", "forged"])
def test_F64_whole_lines_in_the_wrong_place_are_refused(tmp_path: Path, fault: str) -> None:
    live = small_run(tmp_path, TICKS)
    lines = live.read_bytes().splitlines(keepends=True)
    if fault == "lost":
        del lines[3]
    elif fault == "doubled":
        lines.insert(3, lines[3])
    elif fault == "swapped":
        lines[3], lines[4] = lines[4], lines[3]
    else:
        lines[3] = lines[3].replace(b'"at":2', b'"at":9')
    live.write_bytes(b"".join(lines))
    with pytest.raises(JournalCorrupt, match=r"journal\.jsonl: line [45], seq [34]: the line is damaged"):
        list(read(tmp_path))


def test_F64_an_entry_after_the_closing_line_is_refused(tmp_path: Path) -> None:
    live = small_run(tmp_path, TICKS)
    closing = live.read_bytes().splitlines()[-1]
    crc = int(closing.split(b'"crc":"')[1][:8], 16)
    live.write_bytes(live.read_bytes() + seal(step_body(Ticked(AT), []), len(TICKS) + 2, crc)[1])
    with pytest.raises(JournalCorrupt, match="after the closing line"):
        list(read(tmp_path))


def test_F64_a_sealed_line_of_another_program_is_refused(tmp_path: Path) -> None:
    live = small_run(tmp_path, [], None)
    crc = int(live.read_bytes().split(b'"crc":"')[1][:8], 16)
    live.write_bytes(live.read_bytes() + seal(b'"event":{"type":"Sneezed","at":1},"commands":[]}', 1, crc)[1])
    with pytest.raises(JournalCorrupt, match="line 2, seq 1: whole, but not what this program writes"):
        list(read(tmp_path))


def test_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_bytes(seal(b'"header":{"journal":2}}', 0, 0)[1])
    with pytest.raises(JournalCorrupt, match="schema 2"):
        read(tmp_path)


# A full or failing disk


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
    assert steps_of(list(read(tmp_path))) == [TICKS[0], TICKS[2]]


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


# Rotation


def test_F72_rotation_compresses_and_reads_in_order(tmp_path: Path) -> None:
    small_run(tmp_path, STEPS * 20, rotate_mib=0.004)
    names = [path.name for path in segments(tmp_path)]
    assert len(names) > 10
    assert names == [f"journal-{number:06d}.jsonl.zst" for number in range(1, len(names))] + ["journal.jsonl"]
    journal = read(tmp_path)
    assert steps_of(list(journal)) == STEPS * 20
    assert journal.closing is not None


def test_F72_a_crash_at_any_point_of_a_rotation_loses_nothing(tmp_path: Path) -> None:
    small_run(tmp_path / "run", STEPS * 4, None, rotate_mib=0.004)
    compressed = segments(tmp_path / "run")
    number = len(compressed) - 1
    plain = {path.name: (zstd_text(path) if path.suffix == ".zst" else path.read_bytes()) for path in compressed}
    last = compressed[-2].name
    ways = {
        "renamed, no live file yet": {last.removesuffix(".zst"): plain[last], ".journal.jsonl.new": b""},
        "both names, empty live file": {last.removesuffix(".zst"): plain[last], "journal.jsonl": b""},
        "half compressed": {last.removesuffix(".zst"): plain[last], f".{last}.new": b"(\xb5/\xfd", "journal.jsonl": plain["journal.jsonl"]},
        "compressed, plain not gone": {
            last: compressed[-2].read_bytes(),
            last.removesuffix(".zst"): plain[last],
            "journal.jsonl": plain["journal.jsonl"],
        },
    }
    for way, files in ways.items():
        folder = tmp_path / way
        folder.mkdir()
        for path in compressed[:-2]:
            shutil.copy(path, folder)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        live = compressed if files.get("journal.jsonl") else compressed[:-1]
        expected = (STEPS * 4)[: sum(plain[path.name].count(b"\n") for path in live) - 1]
        assert steps_of(list(read(folder))) == expected, way
        journal = Journal(folder, None, ballast_mib=0)
        journal.write(Killed(AT, "test"), [])
        journal.close("d")
        assert steps_of(list(read(folder))) == [*expected, (Killed(AT, "test"), [])], way
        assert sorted(path.name for path in folder.glob("journal-*")) == [path.name for path in compressed[:number]], way


def zstd_text(path: Path) -> bytes:
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read()


def test_F64_damage_in_a_finished_file_is_refused(tmp_path: Path) -> None:
    small_run(tmp_path, STEPS * 4, rotate_mib=0.004)
    first, second, *_ = segments(tmp_path)
    kept = second.read_bytes()
    for position in range(0, len(kept), 7):
        second.write_bytes(kept[:position] + bytes([kept[position] ^ 0x10]) + kept[position + 1 :])
        with pytest.raises(JournalCorrupt):
            list(read(tmp_path))
    second.write_bytes(kept[: len(kept) // 2])
    with pytest.raises(JournalCorrupt):
        list(read(tmp_path))
    second.write_bytes(kept)
    assert steps_of(list(read(tmp_path))) == STEPS * 4
    first.unlink()
    with pytest.raises(JournalCorrupt, match="journal-000001"):
        read(tmp_path)


def test_a_file_that_cannot_be_compressed_stays_and_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small_run(tmp_path, STEPS * 4, None, rotate_mib=0.004)
    path = segments(tmp_path)[0]
    plain = path.with_suffix("")
    plain.write_bytes(zstd_text(path))
    path.unlink()
    blocked = tmp_path / f".{plain.name}.zst.new"
    blocked.symlink_to(tmp_path / "elsewhere")
    compress(tmp_path)
    assert "stays uncompressed" in caplog.text
    assert steps_of(list(read(tmp_path))) == STEPS * 4
    compress(tmp_path)
    assert not plain.exists(), "the second time nothing is in the way"
    assert steps_of(list(read(tmp_path))) == STEPS * 4


def test_seq_never_has_a_gap_over_files(tmp_path: Path) -> None:
    small_run(tmp_path, TICKS * 50, rotate_mib=0.001)
    assert all(after.seq == before.seq + 1 for before, after in pairwise(read(tmp_path)))
