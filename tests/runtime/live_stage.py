"""What the tests of a live desk share: a wallet and its profile on an exchange that runs, and a look at it with the wallet's own key."""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from eth_account import Account

from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.demo import PLACES
from pmm_tui.runtime.profile import packaged
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import PRIVATE_KEY, Keys
from pmm_tui.venues.clob.port import Piece, Standing
from tests.runtime.scene import PATIENCE_S, Home

QUICK = {"warm_up_s": 0, "quote_interval_s": 0.5}
LOOK_S = 0.1
Said = TypeVar("Said")


class Stage:
    """A fresh wallet and a profile for it."""

    def __init__(self, folder: Path, port: int, **values: object) -> None:
        self.home = Home(folder)
        self.url = f"http://127.0.0.1:{port}"
        self.account = Account.create()
        told = QUICK | {name: url.format(port=port) for name, url in PLACES.items()} | values
        lines = [line for line in (packaged() / "local-prod.yaml").read_text().splitlines() if line.split(":")[0] not in told]
        self.profile = self.home.profile("\n".join([*lines, *(f"{name}: {value}" for name, value in told.items())]), "local")
        self.env = {PRIVATE_KEY: self.account.key.hex()}
        self._loop = asyncio.Runner()
        self._clob: client.SdkClob | None = None

    @contextmanager
    def desk(self) -> Iterator[subprocess.Popen[str]]:
        """The desk, started; it does not outlive the test."""
        with alive(self.home.headless(self.profile, env=self.env)) as child:
            yield child

    def clob(self) -> client.SdkClob:
        """A client with the wallet's own key."""
        if self._clob is None:
            self._clob = self.ask(client.make(Keys(self.account), self.url, chance=Random(1), clock=Clock()))
        return self._clob

    def ask(self, question: Coroutine[Any, Any, Said]) -> Said:
        """An answer of a client of this stage."""
        return self._loop.run(question)

    def open_orders(self) -> list[Standing]:
        """What the exchange holds of this wallet."""
        return self.ask(self.clob().open_orders())

    def pieces(self) -> list[Piece]:
        """What the exchange says that this wallet traded."""
        return self.ask(self.clob().trades(0))

    def folder(self) -> Path:
        """The newest run's folder."""
        return max(self.home.logs.iterdir(), key=lambda path: path.stat().st_mtime_ns)

    def state(self) -> dict[str, Any]:
        """live_state_production.json of the newest run; empty before there is one."""
        path = self.folder() / "live_state_production.json"
        told: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        return told

    def trades(self) -> list[dict[str, Any]]:
        """trades_production.jsonl of the newest run."""
        path = self.folder() / "trades_production.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    def close(self) -> None:
        """Let go of the client."""
        if self._clob is not None:
            self.ask(self._clob.close())
        self._loop.close()


@contextmanager
def alive(child: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """A program that is killed where its test fails."""
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def waited(met: Callable[[], bool]) -> None:
    """Wait for what is asked of an exchange or read from a file: not too often, as that costs the desk its time."""
    deadline = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(LOOK_S)


def ended(desk: subprocess.Popen[str], number: signal.Signals | None = signal.SIGTERM) -> int:
    """Its exit code, once it has ended; told to by this signal."""
    if number is not None:
        desk.send_signal(number)
    desk.communicate(timeout=60)
    return desk.returncode
