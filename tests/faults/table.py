"""The table of the catalogue: which of the 84 faults have a test, and why the others have none."""

import re
from collections.abc import Iterable
from pathlib import Path

SECTIONS = {
    "A. Market data": range(1, 21),
    "B. Order entry and unknown state": range(21, 45),
    "C. Fills, settlement, positions": range(45, 59),
    "D. Process and storage": range(59, 74),
    "E. Market life cycle": range(74, 80),
    "F. Configuration, security, operator": range(80, 85),
}
WHY_NOT: dict[str, str] = {
    "F78": "a later section: sports markets are not traded; that the venue cancels everything in a market is proven as F75",
    "F79": "a later section: baskets of neg-risk outcomes are not traded together, each market stands for itself",
}
"""Faults without a test, and the reason."""

_NAMED = re.compile(r"test_((?:[fF]\d\d_)+)")
_TOLD = re.compile(r"^def (test_\w+)|^    (?:async )?def (test_\w+)|^async def (test_\w+)|mark\.fault\(([^)]*)\)", re.MULTILINE)
_NUMBER = re.compile(r"F\d\d")


def numbers() -> list[str]:
    """Every fault of the catalogue, F01 to F84."""
    return [f"F{number:02}" for section in SECTIONS.values() for number in section]


def named(test: str) -> list[str]:
    """The faults in the name of a test, as in test_F21_F22_booked_but_not_answered."""
    found = _NAMED.match(test)
    return _NUMBER.findall(found[1].upper()) if found else []


def written(folder: Path) -> dict[str, int]:
    """How many tests in a folder prove each fault, by their names and marks, without running any."""
    counts: dict[str, int] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for found in _TOLD.finditer(path.read_text("utf-8")):
            for number in _NUMBER.findall(found[4] or "") or named(found[1] or found[2] or found[3] or ""):
                counts[number] = counts.get(number, 0) + 1
    return counts


def lines(passed: dict[str, int], failed: Iterable[str], known: dict[str, int]) -> list[str]:
    """The table: for each fault the tests that passed, else the tests that did not run here, else why there is none."""
    broken = frozenset(failed)
    told = []
    for section, members in SECTIONS.items():
        wanted = [f"F{number:02}" for number in members]
        told.append(f"{section}: {sum(bool(known.get(one)) for one in wanted)} of {len(wanted)}")
        for one in wanted:
            ran, there = passed.get(one, 0), known.get(one, 0)
            if one in broken:
                text = "FAILED"
            elif ran:
                text = f"{ran} passed"
            elif there:
                text = f"{there} not run here"
            else:
                text = WHY_NOT.get(one, "NO TEST, AND NO REASON")
            told.append(f"  {one}  {text}")
    covered = sum(bool(known.get(one)) for one in numbers())
    return [*told, f"{covered} of {len(numbers())} faults have a test; the others have a reason"]
