"""What every test may ask for: the root of the project and the folder of real recordings."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The recordings of real markets, which stand beside the checkout and are not part of it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"recordings not here: {folder} does not exist")
    return folder
