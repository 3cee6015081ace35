"""The production desk that a demo shows beside its paper desk: the same market and tape, real orders over the real protocol, no money."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import structs

from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.profile import find, load
from pmm_tui.runtime.run import Options

READY_S = 20.0
START_AT_S = 870.0
"""Half a minute before the window of the demo tape's first market."""
PLACES = {
    "gamma_url": "http://127.0.0.1:{port}/gamma",
    "clob_url": "http://127.0.0.1:{port}",
    "market_ws_url": "ws://127.0.0.1:{port}/ws/market",
    "user_ws_url": "ws://127.0.0.1:{port}/ws/user",
    "geoblock_url": "http://127.0.0.1:{port}/api/geoblock",
}


@contextmanager
def beside(wanted: Sequence[Options]) -> Iterator[list[Options]]:
    """The desks that were asked for and, where that is one demo at real speed, the one beside it, for as long as this is open.

    Both begin where the tape's first market comes alive, so that there is something to see.
    """
    profile = load(wanted[0].profile)
    name = profile.run().beside
    if len(wanted) > 1 or not name or wanted[0].speed not in ("", "1"):
        yield list(wanted)
        return
    with tempfile.TemporaryDirectory(prefix="pmm-tui-") as folder, exchange(profile.run().tape, START_AT_S) as port:
        path = Path(folder) / f"{find(name).stem}.yaml"
        lines = [line for line in find(name).read_text(encoding="utf-8").splitlines() if line.split(":")[0] not in PLACES]
        lines += [f"{key}: {url.format(port=port)}" for key, url in PLACES.items()]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        paper = structs.replace(wanted[0], start_at_s=START_AT_S)
        yield [paper, Options(str(path), duration=paper.duration, logs=paper.logs)]


@contextmanager
def exchange(tape: str, start_at_s: float, speed: float = 1.0) -> Iterator[int]:
    """An exchange on a free loopback port that plays a tape; the port. CannotStart, with what it said last, where it does not come up."""
    words = [sys.executable, "-m", "pmm_tui", "exchange", "--tape", tape, "--port", "0", "--start-at", f"{start_at_s:g}"]
    words += ["--speed", f"{speed:g}"]
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, start_new_session=True)  # noqa: S603 - our own program
        try:
            yield _port(child)
        except EOFError:
            said.seek(0)
            text = said.read().decode("utf-8", "replace").strip()
            raise CannotStart(f"the exchange of the demo did not start: {text[-500:]}") from None
        finally:
            child.terminate()
            if child.stdout is not None:
                child.stdout.close()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _port(child: "subprocess.Popen[bytes]") -> int:
    """The port that the exchange names on its first line, as JSON; EOFError where it ends first."""
    deadline = time.monotonic() + READY_S
    assert child.stdout is not None  # it was asked for  # noqa: S101 - tells the type checker
    line = child.stdout.readline()
    if not line or time.monotonic() > deadline:
        raise EOFError
    return int(json.loads(line)["port"])
