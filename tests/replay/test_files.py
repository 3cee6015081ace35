"""The small files of a run: private, appended in whole lines, replaced in one step."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from pmm_tui.core.market import Side
from pmm_tui.core.snapshot import FillRow
from pmm_tui.core.units import Cash, Nanos, Price, Size
from pmm_tui.record.files import STATE, TRADES, append_line, private_folder, replace, replace_summary

ROOT = Path(__file__).resolve().parents[2]
FILL = FillRow(Nanos(1), "m", 1, "Łp → 🚀", Side.BUY, Price(4900), Size(5_000_000), Cash(0), Cash(-7), True, "MATCHED")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_everything_is_private_under_any_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder = private_folder(tmp_path / "a" / "run")
        append_line(folder / TRADES, FILL)
        replace(folder / STATE, b'{"phase":"running"}\n')
        replace_summary(folder, {"fills": 1})
    finally:
        os.umask(before)
    assert mode(folder) == 0o700
    assert {path.name: mode(path) for path in folder.iterdir()} == dict.fromkeys(("trades.jsonl", "live_state.json", "summary.json"), 0o600)


def test_one_line_for_each_trade(tmp_path: Path) -> None:
    for _ in range(3):
        append_line(tmp_path / TRADES, FILL)
    lines = (tmp_path / "trades.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=FillRow) for line in lines] == [FILL] * 3


def test_a_torn_trade_spoils_no_other(tmp_path: Path) -> None:
    append_line(tmp_path / TRADES, FILL)
    with (tmp_path / "trades.jsonl").open("ab") as file:
        file.write(b'{"at":1,"mar')
    append_line(tmp_path / TRADES, FILL)
    lines = (tmp_path / "trades.jsonl").read_bytes().splitlines()
    assert lines[1] == b'{"at":1,"mar'
    assert [msgspec.json.decode(line, type=FillRow) for line in (lines[0], lines[2])] == [FILL] * 2


def test_the_summary_is_for_people_and_the_state_is_one_line(tmp_path: Path) -> None:
    replace_summary(tmp_path, {"fills": 1, "why": "Ł"})
    replace(tmp_path / STATE, b'{"fills":1}\n')
    assert (tmp_path / "summary.json").read_text(encoding="utf-8") == '{\n  "fills": 1,\n  "why": "Ł"\n}\n'
    assert (tmp_path / "live_state.json").read_bytes() == b'{"fills":1}\n'


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "trades.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        append_line(tmp_path / TRADES, FILL)
    assert not (tmp_path / "elsewhere").exists()


REPLACER = """
import json, os, sys
from pathlib import Path
from pmm_tui.record.files import replace
n = 0
while True:
    n += 1
    replace(Path(sys.argv[1]) / "live_state.json", json.dumps({"n": n, "text": "x" * (n % 7) * 50_000}).encode())
    os.write(1, b"%d\\n" % n)
"""


def test_F65_a_killed_writer_leaves_the_old_state_or_the_new_one(tmp_path: Path) -> None:
    for number in range(5):
        with subprocess.Popen([sys.executable, "-c", REPLACER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(1 + number * 13)]
            process.kill()
            acknowledged = int([*said, *process.stdout.read().splitlines()][-1])
        state = msgspec.json.decode((tmp_path / "live_state.json").read_bytes())
        assert state["n"] in (acknowledged, acknowledged + 1)
        assert len(state["text"]) == state["n"] % 7 * 50_000


def test_F61_on_a_full_disk_the_old_file_stays(tmp_path: Path) -> None:
    replace(tmp_path / "live_state.json", b"old")
    script = (
        "import resource, sys\nfrom pathlib import Path\nfrom pmm_tui.record.files import replace\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n    replace(Path(sys.argv[1]), b'x' * 1000)\nexcept OSError as full: print(full.strerror)\n"
    )
    state = tmp_path / "live_state.json"
    done = subprocess.run([sys.executable, "-c", script, str(state)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "File too large"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("live_state.json", b"old")]
