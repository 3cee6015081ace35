"""`pmm-tui bench --ui`: two desks of the demo, and the console on them."""

import sys
import tempfile
from pathlib import Path

import msgspec

from pmm_tui.runtime.demo import beside
from pmm_tui.runtime.start import Options, launch
from pmm_tui.tui.bench_ui import measure

LOADS = {"typical": "1", "worst": "60"}
"""How fast the tape is played: at 60 every number of every picture is another one."""
AIMS = {
    "cpu_pct": 6.0, "block_p50_ms": 4.0, "block_p99_ms": 12.0, "raw_kb_s": 45.0, "compressed_kb_s": 4.0, "key_p99_ms": 150.0,
}  # fmt: skip


def bench_ui(as_json: bool, quick: bool) -> int:
    """Print what the console costs at 160x48 with two desks and ten updates a second, typical and worst, and at four a second."""
    seconds, presses = (5.0, 4) if quick else (30.0, 40)
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="pmm-tui-") as home:
        for load, speed in LOADS.items():
            found[load] = _one(Path(home) / load, speed, seconds, presses, 10)
        found["typical, 4 a second"] = _one(Path(home) / "slow", LOADS["typical"], seconds, 0, 4)
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return 0
    for load, figures in found.items():
        sys.stdout.write(f"{load}\n")
        for name, value in figures.items():
            sys.stdout.write(f"  {name:<16} {value:>8.2f}{f'   aim {AIMS[name]:g}' if name in AIMS else ''}\n")
    return 0


def _one(folder: Path, speed: str, seconds: float, presses: int, fps: int) -> dict[str, float]:
    folder.mkdir()
    asked = Options("demo", speed=speed, logs=folder)
    with beside([asked] if speed == LOADS["typical"] else [asked, asked]) as wanted:
        desks = [launch(options) for options in wanted]
        try:
            return measure([desk.socket for desk in desks], folder / "blocks.json", seconds, presses, fps)
        finally:
            for desk in desks:
                desk.process.terminate()
                desk.ended(10.0)
