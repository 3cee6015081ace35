"""The runtime's fixtures: a home with a short path, and a run of the shipped demo from start to end."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.scene import Home, cut_tape


@pytest.fixture
def home() -> Iterator[Home]:
    """A home whose path is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="pmm", ignore_cleanup_errors=True) as folder:
        yield Home(Path(folder))


@pytest.fixture(scope="session")
def short_tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One market of the demo's tape, and the start of the next."""
    return cut_tape(tmp_path_factory.mktemp("tape") / "short.tape.zst")


@pytest.fixture(scope="session")
def demo() -> Iterator[tuple[Home, subprocess.CompletedProcess[str]]]:
    """The demo as a user starts it, run to its end by the real program."""
    with tempfile.TemporaryDirectory(prefix="pmm") as folder:
        home = Home(Path(folder))
        yield home, home.call("--profile", "demo", "--no-ui", "--speed", "max", "--logs", home.logs)
