"""A tape gives back every frame untouched, and what a killed recorder had written."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pmm_tui.core.units import MILLI, SECOND, Nanos
from pmm_tui.record.tape import GAMMA, MARKET, REST, TapeCorrupt, TapeFrame, TapeHeader, TapeWriter, read_tape

ROOT = Path(__file__).resolve().parents[2]
HEADER = TapeHeader(made_by="a test", source="nowhere", trades=False, attribution="nobody's")
ODD = ['{"a":"\\u00e9\\/","b":1.10}', "PONG", "", 'quotes " and \\ and \n and \x00 and \x7f', "Ł → 🚀 \u2028 \u202e", " " * 5, "[" * 1000]
FRAMES = [TapeFrame(Nanos(1_790_585_112_649_000_001 + n), channel, raw) for n, raw in enumerate(ODD) for channel in (MARKET, GAMMA, REST)]


def written(path: Path, frames: list[TapeFrame], **how: int) -> Path:
    writer = TapeWriter(path, HEADER, **how)
    for frame in frames:
        writer.write(frame.at, frame.channel, frame.raw)
    assert writer.frames == len(frames)
    writer.close()
    writer.close()
    return path


def test_every_frame_comes_back_untouched(tmp_path: Path) -> None:
    path = written(tmp_path / "t.zst", FRAMES)
    tape = read_tape(path)
    assert tape.header == HEADER
    assert list(tape) == FRAMES
    assert (tape.torn, tape.position) == ("", 1.0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@given(raws=st.lists(st.text(alphabet=st.characters(codec="utf-8")), max_size=20), at=st.integers(0, 2**63 - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_and_time_come_back(tmp_path: Path, raws: list[str], at: int) -> None:
    path = tmp_path / "any.zst"
    path.unlink(missing_ok=True)
    frames = [TapeFrame(Nanos(at), MARKET, raw) for raw in raws]
    assert list(read_tape(written(path, frames, block_frames=3))) == frames


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path / "t.zst", FRAMES)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        TapeWriter(path)
    assert path.read_bytes() == before


def test_the_file_is_zstandard_json_lines_with_the_frame_text_in_them(tmp_path: Path) -> None:
    path = written(tmp_path / "t.zst", [TapeFrame(Nanos(5), MARKET, '{"x":1}')])
    with path.open("rb") as file:
        lines = zstandard.ZstdDecompressor().stream_reader(file).read().splitlines()
    assert lines[0].startswith(b'{"tape":1,"made_by":"a test","source":"nowhere","trades":false,')
    assert lines[1:] == [b'{"at":5,"ch":"market","raw":"{\\"x\\":1}"}']


@pytest.mark.parametrize(("block_frames", "step"), [(10, MILLI), (10**9, SECOND // 4)], ids=["by frames", "by time"])
def test_an_unfinished_tape_gives_all_but_its_newest_frames(tmp_path: Path, block_frames: int, step: Nanos) -> None:
    path = tmp_path / "t.zst"
    writer = TapeWriter(path, HEADER, block_frames=block_frames)
    frames = [TapeFrame(Nanos(SECOND * 1000 + n * step), MARKET, os.urandom(200).hex()) for n in range(95)]
    for frame in frames:
        writer.write(frame.at, frame.channel, frame.raw)
    tape = read_tape(path)
    found = list(tape)
    assert found == frames[: len(found)]
    assert len(found) >= 90
    assert "before it could end the tape" in tape.torn
    writer.flush()
    assert list(read_tape(path)) == frames, "flush leaves nothing behind"
    writer.close()
    assert list(read_tape(path)) == frames


RECORDER = """
import os, sys
from pathlib import Path
from pmm_tui.core.units import Nanos
from pmm_tui.record.tape import TapeWriter
writer = TapeWriter(Path(sys.argv[1]), block_frames=7)
while True:
    writer.write(Nanos(writer.frames), "market", "x" * (writer.frames % 5000))
    os.write(1, b"%d\\n" % writer.frames)
"""


def test_a_killed_recorder_leaves_a_readable_tape(tmp_path: Path) -> None:
    for number in range(5):
        path = tmp_path / f"{number}.zst"
        with subprocess.Popen([sys.executable, "-c", RECORDER, str(path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(1 + number * 137)]
            process.kill()
            acknowledged = int([*said, *process.stdout.read().splitlines()][-1])
        tape = read_tape(path)
        found = list(tape)
        assert [frame.at for frame in found] == list(range(len(found)))
        assert all(len(frame.raw) == frame.at % 5000 for frame in found)
        assert len(found) > acknowledged - 7
        assert tape.torn


def test_a_tape_cut_anywhere_gives_a_prefix_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path / "t.zst", FRAMES, block_frames=4)
    whole = path.read_bytes()
    longest = 0
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        caplog.clear()
        try:
            tape = read_tape(path)
        except TapeCorrupt as corrupt:
            assert "not a tape" in str(corrupt)
            assert longest == 0, "the header is lost only where everything is"
            continue
        found = list(tape)
        assert found == FRAMES[: len(found)]
        assert len(found) >= longest
        assert tape.torn
        assert "cut short" in caplog.text
        longest = len(found)
    assert longest == len(FRAMES)


def test_a_damaged_tape_is_refused_or_its_frames_are_right(tmp_path: Path) -> None:
    path = written(tmp_path / "t.zst", FRAMES * 5)
    whole = path.read_bytes()
    refused = 0
    for position in range(len(whole)):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x04]) + whole[position + 1 :])
        try:
            tape = read_tape(path)
            whole_tape = list(tape) == FRAMES * 5
        except TapeCorrupt as corrupt:
            assert str(path) in str(corrupt)
            refused += 1
            continue
        assert whole_tape or tape.torn
    assert refused > len(whole) // 2


def test_what_is_no_tape_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "t.zst"
    for data in (b"", b"not zstandard", zstandard.compress(b"no json\n"), zstandard.compress(b"[]\n"), zstandard.compress(b"\xff\n")):
        path.write_bytes(data)
        with pytest.raises(TapeCorrupt, match=r"t\.zst"):
            read_tape(path)
    path.write_bytes(zstandard.compress(b'{"tape":2}\n'))
    with pytest.raises(TapeCorrupt, match="version 2"):
        read_tape(path)
    path.write_bytes(zstandard.compress(b'{"tape":1}\n{"at":1,"ch":"market","raw":"a"}\n{"at":"x"}\n'))
    tape = read_tape(path)
    assert next(tape).raw == "a"
    with pytest.raises(TapeCorrupt, match="line 3"):
        next(tape)
    with pytest.raises(FileNotFoundError):
        read_tape(tmp_path / "nothing")


def test_a_line_without_end_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "t.zst"
    path.write_bytes(zstandard.compress(b'{"tape":1}\n' + b"x" * (40 << 20)))
    with pytest.raises(TapeCorrupt, match="longer than"):
        list(read_tape(path))


def test_tapes_put_one_after_the_other_read_as_one(tmp_path: Path) -> None:
    path = written(tmp_path / "t.zst", FRAMES)
    more = b"".join(b'{"at":%d,"ch":"market","raw":"more"}\n' % n for n in range(3))
    path.write_bytes(path.read_bytes() + zstandard.compress(more))
    tape = read_tape(path)
    assert list(tape) == [*FRAMES, *(TapeFrame(Nanos(n), MARKET, "more") for n in range(3))]
    assert tape.torn == ""


def test_position_grows_to_one_and_close_lets_go(tmp_path: Path) -> None:
    frames = [TapeFrame(Nanos(n), MARKET, os.urandom(500).hex()) for n in range(500)]
    tape = read_tape(written(tmp_path / "t.zst", frames))
    seen = [tape.position for _ in tape]
    assert seen == sorted(seen)
    assert seen[0] < 0.5
    assert seen[-1] == 1.0
    again = read_tape(tmp_path / "t.zst")
    next(again)
    again.close()


def test_a_full_disk_stops_the_recorder(tmp_path: Path) -> None:
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom pmm_tui.record.tape import TapeWriter\nimport os\n"
        "writer = TapeWriter(Path(sys.argv[1]), block_frames=1)\nresource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "try:\n    while True: writer.write(writer.frames, 'market', os.urandom(100).hex())\n"
        "except OSError as full: print(full.errno, writer.frames)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "t.zst")], cwd=ROOT, capture_output=True, text=True, check=True)
    _, frames = map(int, done.stdout.split())
    tape = read_tape(tmp_path / "t.zst")
    assert len(list(tape)) in (frames - 1, frames), "only the frame that met the full disk may be missing"
    assert tape.torn
