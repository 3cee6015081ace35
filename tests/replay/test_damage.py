"""Killed, torn or damaged: a journal gives back what was acknowledged, or says what is wrong."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pmm_tui.core.commands import Cancel
from pmm_tui.core.events import Ticked
from pmm_tui.record.journal import Journal, read
from pmm_tui.record.lines import JournalCorrupt, seal, step_body
from tests.replay.examples import AT, STEPS, TICKS, small_run, steps_of

ROOT = Path(__file__).resolve().parents[2]


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
        assert steps_of(journal) == STEPS[:kept]
        assert bool(journal.torn) == bool(tail)
        assert (folder / "journal.jsonl").read_bytes() == whole[:cut], "reading changes nothing"
        again = Journal(folder, None, ballast_mib=0)
        again.write(Ticked(AT), [])
        again.close()
        assert steps_of(read(folder)) == [*STEPS[:kept], (Ticked(AT), [])]
        assert [path.read_bytes() for path in folder.glob("*.torn-*")] == ([tail] if tail else [])
        shutil.rmtree(folder)


def test_a_second_torn_tail_has_its_own_file(tmp_path: Path) -> None:
    live = small_run(tmp_path, STEPS[:2], None)
    for number in (1, 2):
        with live.open("ab") as file:
            file.write(b'{"seq":3,"crc":"0' + b"\0" * number)
        Journal(tmp_path, None, ballast_mib=0).close()
        assert (tmp_path / f"journal.jsonl.torn-{number}").read_bytes().endswith(b"\0" * number)
    assert steps_of(read(tmp_path)) == STEPS[:2]


def test_F64_no_flipped_bit_is_ever_silently_wrong(tmp_path: Path) -> None:
    live = small_run(tmp_path, [*STEPS[8:14], *TICKS])
    whole = bytearray(live.read_bytes())
    expected = steps_of(read(tmp_path))
    refused = torn = 0
    for position in range(len(whole)):
        for bit in range(8):
            whole[position] ^= 1 << bit
            live.write_bytes(whole)
            whole[position] ^= 1 << bit
            try:
                journal = read(tmp_path)
                found = steps_of(journal)
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
