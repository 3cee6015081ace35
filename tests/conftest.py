"""What every test may ask for, the root of the project and the folder of real recordings; and the table of faults at the end."""

from collections import Counter
from pathlib import Path

import pytest

from tests.faults import table

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write down which faults a test proves, by its name and its marks; the reports carry it, from other processes too."""
    for item in items:
        marked = [str(number) for mark in item.iter_markers("fault") for number in mark.args]
        if faults := [*marked, *table.named(item.name)]:
            item.user_properties.append(("faults", ",".join(faults)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table of the catalogue, where its own tests were among those that ran."""
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in ("passed", "failed", "error")}
    whole = False
    for name, counts in outcomes.items():
        for report in terminalreporter.getreports(name):
            whole = whole or report.nodeid.startswith("tests/faults/test_table")
            faults = dict(report.user_properties).get("faults", "")
            counts.update(faults.split(",") if faults else ())
    if whole:
        terminalreporter.section("faults of the catalogue")
        for line in table.lines(outcomes["passed"], [*outcomes["failed"], *outcomes["error"]], table.written(ROOT / "tests")):
            terminalreporter.write_line(line)
