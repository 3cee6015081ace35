"""Rotation: finished files are compressed, read in order, and a crash in between loses nothing."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard

from pmm_tui.core.instructions import Killed
from pmm_tui.record.journal import Journal, compress, read
from pmm_tui.record.lines import JournalCorrupt, segments
from tests.replay.examples import AT, STEPS, TICKS, small_run, steps_of


def test_F72_rotation_compresses_and_reads_in_order(tmp_path: Path) -> None:
    small_run(tmp_path, STEPS * 20, rotate_mib=0.004)
    names = [path.name for path in segments(tmp_path)]
    assert len(names) > 10
    assert names == [f"journal-{number:06d}.jsonl.zst" for number in range(1, len(names))] + ["journal.jsonl"]
    journal = read(tmp_path)
    assert steps_of(journal) == STEPS * 20
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
        assert steps_of(read(folder)) == expected, way
        journal = Journal(folder, None, ballast_mib=0)
        journal.write(Killed(AT, "test"), [])
        journal.close("d")
        assert steps_of(read(folder)) == [*expected, (Killed(AT, "test"), [])], way
        assert sorted(path.name for path in folder.glob("journal-*")) == [path.name for path in compressed[:number]], way


def zstd_text(path: Path) -> bytes:
    with path.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read()


def test_F64_damage_in_a_finished_file_is_refused(tmp_path: Path) -> None:
    small_run(tmp_path, STEPS * 4, rotate_mib=0.004)
    first, second, *_ = segments(tmp_path)
    kept = second.read_bytes()
    meant, flips = zstd_text(second), 0
    for position in range(0, len(kept), 7):
        second.write_bytes(kept[:position] + bytes([kept[position] ^ 0x10]) + kept[position + 1 :])
        try:
            harmless = zstd_text(second) == meant  # a few bits of a frame say nothing
        except zstandard.ZstdError:
            harmless = False
        if not harmless:
            flips += 1
            with pytest.raises(JournalCorrupt):
                list(read(tmp_path))
    assert flips > 0.9 * len(kept) / 7
    second.write_bytes(kept[: len(kept) // 2])
    with pytest.raises(JournalCorrupt):
        list(read(tmp_path))
    second.write_bytes(kept)
    assert steps_of(read(tmp_path)) == STEPS * 4
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
    assert steps_of(read(tmp_path)) == STEPS * 4
    compress(tmp_path)
    assert not plain.exists(), "the second time nothing is in the way"
    assert steps_of(read(tmp_path)) == STEPS * 4


def test_seq_never_has_a_gap_over_files(tmp_path: Path) -> None:
    small_run(tmp_path, TICKS * 50, rotate_mib=0.001)
    assert all(after.seq == before.seq + 1 for before, after in pairwise(read(tmp_path)))
