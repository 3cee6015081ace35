"""A home for a desk of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtime.scene import Home


@pytest.fixture
def home() -> Iterator[Home]:
    """A home whose path is short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="pmm", ignore_cleanup_errors=True) as folder:
        yield Home(Path(folder))
