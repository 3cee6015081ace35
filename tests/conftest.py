"""What every test may ask for, the root of the project, the folder of real recordings; a watch for secrets; the table of faults."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import table
from tests.leaks import Leaks

ROOT = Path(__file__).resolve().parents[1]


LEAKS = Leaks()


@pytest.fixture(scope="session", autouse=True)
def no_secret_is_shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No private key and no credential that any test made is in what any test printed, logged or wrote."""
    with LEAKS.watch():
        yield
    LEAKS.read(tmp_path_factory.getbasetemp())
    assert not LEAKS.found()


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Listen to what a test printed and logged."""
    for name, text in report.sections:
        LEAKS.hear(f"{report.nodeid}: {name}", text)


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
