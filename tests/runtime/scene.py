"""What the runtime's tests share: a home of their own, the real program in it, a short tape, and a desk to look at from outside."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

import pmm_tui
from pmm_tui.api.client import Client
from pmm_tui.core.snapshot import Frame
from pmm_tui.record.tape import TapeWriter, read_tape
from pmm_tui.runtime.profile import load
from pmm_tui.runtime.run import Options, Run

ROOT = Path(__file__).resolve().parents[2]
DEMO_TAPE = Path(pmm_tui.__file__).resolve().parent / "data" / "demo.tape.zst"
PATIENCE_S = 30.0
"""How long a test waits for what must happen: generous, and never what decides whether it passes."""
PROFILE = """\
source: tape
tape: demo
speed: max
fill_model: coin
fill_probability: 0.5
quote_interval_s: 1
stop_before_close_s: 60
"""


class Home:
    """A user's folders, and the program run in them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.state = folder / "state" / "pmm-tui"
        self.env = {
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }
        (folder / "run").mkdir()

    def enter(self, patch: pytest.MonkeyPatch, **env: str) -> None:
        """Make this process live here."""
        for name in [name for name in os.environ if name.startswith("PMM_")]:
            patch.delenv(name)
        for name, value in (self.env | env).items():
            patch.setenv(name, value)

    def profile(self, text: str, name: str = "small") -> str:
        """Write a profile; its path."""
        path = self.folder / f"{name}.yaml"
        path.write_text(text)
        return str(path)

    def start(self, *words: str | Path, env: dict[str, str] | None = None, **more: Any) -> subprocess.Popen[str]:
        """The real program, started."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("PMM_")}
        command = [sys.executable, "-m", "pmm_tui", *map(str, words)]
        how: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
        return subprocess.Popen(command, env=plain | self.env | (env or {}), **(how | more))

    def call(self, *words: str | Path, env: dict[str, str] | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
        """The real program, to its end."""
        with self.start(*words, env=env, **more) as process:
            out, err = process.communicate(timeout=2 * PATIENCE_S)
            return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def headless(self, profile: str, *words: str | Path, **more: Any) -> subprocess.Popen[str]:
        """A headless desk, started."""
        return self.start("--profile", profile, "--no-ui", "--logs", self.logs, *words, **more)

    def run_folder(self) -> Path:
        """The folder of the one run here."""
        (folder,) = self.logs.iterdir()
        return folder


def cut_tape(path: Path, frames: int = 1_300, trades: bool = False) -> Path:
    """The beginning of the demo's tape as a tape of its own: its first market to its payout, and the next one's start."""
    tape = read_tape(DEMO_TAPE)
    writer = TapeWriter(path, tape.header if not trades else type(tape.header)(trades=True))
    for _, frame in zip(range(frames), tape, strict=False):
        writer.write(frame.at, frame.channel, frame.raw)
    writer.close()
    tape.close()
    return path


def waited(met: Callable[[], bool]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


async def until(met: Callable[[], bool]) -> None:
    """Wait for a condition, with the event loop going on."""
    async with asyncio.timeout(PATIENCE_S):
        while not met():
            await asyncio.sleep(0.01)


def unsealed(folder: Path) -> list[bytes]:
    """The journal's lines without their checksums, which the header's times flow into."""
    return [re.sub(rb'"crc":"[0-9a-f]{8}",', b"", line) for line in (folder / "journal.jsonl").read_bytes().splitlines()]


def journaled(folder: Path) -> list[dict[str, Any]]:
    """The journal's lines, decoded with another library; a torn last one is left out."""
    lines = (folder / "journal.jsonl").read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]


def logged(folder: Path) -> list[dict[str, Any]]:
    """The lines of run.log."""
    return [json.loads(line) for line in (folder / "run.log").read_text().splitlines()]


def resting(entries: list[dict[str, Any]]) -> set[int]:
    """The orders that were accepted and whose end is not in a journal."""
    alive: dict[int, int] = {}
    for entry in entries:
        for command in entry.get("commands", ()):
            if command["type"] == "Place":
                alive[command["order"]] = command["size"]
        event = entry.get("event", {"type": ""})
        if event["type"] in ("OrderRejected", "OrderCancelled"):
            alive.pop(event["order"], None)
        elif event["type"] == "OrderFilled" and event["order"] in alive:
            alive[event["order"]] -= event["size"]
    return {order for order, rest in alive.items() if rest > 0}


@asynccontextmanager
async def running(home: Home, profile: str, **options: Any) -> AsyncIterator[tuple[Run, "asyncio.Task[int]"]]:
    """A desk in this process, served; stopped at the end if it has not ended by then."""
    run = Run(load(profile), Options(profile=profile, logs=home.logs, **options), False)
    task = asyncio.create_task(run.main())
    try:
        await until(lambda: run.socket.is_socket() or task.done())
        yield run, task
    finally:
        run.stop.set()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def face(socket: Path) -> AsyncIterator[Client]:
    """A face on a desk's socket, connected and with a picture."""
    client = Client(socket, "console:test", jitter=lambda: 0.0)
    task = asyncio.create_task(client.run())
    try:
        await until(lambda: client.latest() is not None)
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def picture(client: Client) -> Frame:
    """The newest picture."""
    frame = client.latest()
    assert frame is not None
    return frame


@contextmanager
def ending(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """A process that does not outlive the test."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
