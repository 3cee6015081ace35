"""The production desk that a demo shows beside its paper desk: the same market and tape, real orders over the real protocol, no money."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import structs

from pmm_tui.runtime.places import CannotStart, practice_path
from pmm_tui.runtime.profile import find, load
from pmm_tui.runtime.run import Options
from pmm_tui.runtime.signals import runs

READY_S = 20.0
START_AT_S = 870.0
"""Half a minute before the window of the demo tape's first market."""
PLACES = {
    "gamma_url": "http://127.0.0.1:{port}/gamma",
    "clob_url": "http://127.0.0.1:{port}",
    "market_ws_url": "ws://127.0.0.1:{port}/ws/market",
    "user_ws_url": "ws://127.0.0.1:{port}/ws/user",
    "rtds_url": "ws://127.0.0.1:{port}/rtds",
    "geoblock_url": "http://127.0.0.1:{port}/api/geoblock",
}


class Shown:
    """The desks that are to be started. Their exchange ends with this process until it is handed over, and then with the last of them."""

    def __init__(self, wanted: list[Options], child: "Child | None" = None) -> None:
        self.wanted = wanted
        self._child = child

    def hand_over(self, pids: Sequence[int]) -> None:
        """These processes run now, and must not lose their exchange with this one."""
        if self._child is not None:
            self._child.hand_over(pids)


class Child:
    """An exchange in a process of its own. It ends when nobody holds its standard input any more, unless it was handed over."""

    def __init__(self, words: Sequence[str]) -> None:
        """CannotStart, with what it said last, where it does not come up."""
        program = [sys.executable, "-m", "pmm_tui", "exchange", "--port", "0", "--owned", *words]
        with tempfile.TemporaryFile() as said:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, start_new_session=True
            )
            self.port = 0
            self._users: tuple[int, ...] = ()
            try:
                self.port = _port(self._process)
            except EOFError:
                said.seek(0)
                text = said.read().decode("utf-8", "replace").strip()
                raise CannotStart(f"the exchange of the demo did not start: {text[-500:]}") from None
            finally:
                if not self.port:
                    self.end()

    def hand_over(self, pids: Sequence[int]) -> None:
        """It ends once none of these processes runs any more."""
        self._users = tuple(pids)
        assert self._process.stdin is not None  # it was asked for  # noqa: S101 - tells the type checker
        with suppress(BrokenPipeError):
            self._process.stdin.write(b" ".join(b"%d" % pid for pid in pids) + b"\n")
            self._process.stdin.close()

    @property
    def needed(self) -> bool:
        """Whether one of those to whom it was handed over still runs."""
        return any(map(runs, self._users))

    def end(self) -> None:
        """Now."""
        self._process.terminate()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def beside(wanted: Sequence[Options], tell: Callable[[str], None] | None = None) -> Iterator[Shown]:
    """The desks that were asked for and, where that is one demo at real speed, the one beside it, for as long as this is open.

    Both begin where the tape's first market comes alive, so that there is something to see. `tell`: what is begun now. What was handed over
    to desks that still run stays behind for them.
    """
    profile = load(wanted[0].profile)
    name = profile.run().beside
    if len(wanted) > 1 or not name or wanted[0].speed not in ("", "1"):
        yield Shown(list(wanted))
        return
    if tell is not None:
        tell("starting an exchange on this machine ...")
    child = Child(["--tape", profile.run().tape, "--start-at", f"{START_AT_S:g}"])
    folder = Path(tempfile.mkdtemp(prefix="pmm-tui-"))
    path = folder / f"{find(name).stem}.yaml"
    try:
        lines = [line for line in find(name).read_text(encoding="utf-8").splitlines() if line.split(":")[0] not in PLACES]
        lines += [f"{key}: {url.format(port=child.port)}" for key, url in PLACES.items()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        paper = structs.replace(wanted[0], start_at_s=START_AT_S)
        yield Shown([paper, Options(str(path), duration=paper.duration, logs=paper.logs)], child)
    finally:
        if not child.needed:
            child.end()
            shutil.rmtree(practice_path(load(str(path))).parent, ignore_errors=True)  # the wallet is known to that exchange only
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def exchange(tape: str, start_at_s: float, speed: float = 1.0) -> Iterator[int]:
    """An exchange on a free loopback port that plays a tape; the port. CannotStart, with what it said last, where it does not come up."""
    child = Child(["--tape", tape, "--start-at", f"{start_at_s:g}", "--speed", f"{speed:g}"])
    try:
        yield child.port
    finally:
        child.end()


def _port(child: "subprocess.Popen[bytes]") -> int:
    """The port that the exchange names on its first line, as JSON; EOFError where it ends first."""
    deadline = time.monotonic() + READY_S
    assert child.stdout is not None  # it was asked for  # noqa: S101 - tells the type checker
    line = child.stdout.readline()
    if not line or time.monotonic() > deadline:
        raise EOFError
    return int(json.loads(line)["port"])
