"""`pmm-tui compare`: two finished runs side by side, from their journals."""

import sys
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from pmm_tui.core.snapshot import Stats
from pmm_tui.record.journal import read
from pmm_tui.runtime.replaying import engine_of
from pmm_tui.study.compare import Comparison, Row, called, compare, interval_written, ratio_written, written
from pmm_tui.study.tally import READ_MOST, TOLD_MOST, Tally

_MARKS = {"DIVERGES": "!"}


class RunFigures(Struct, frozen=True):
    """What one run came to."""

    run: str
    mode: str
    """paper | live"""
    stats: Stats
    torn: str
    """How its journal ends where it was not in order."""


def figures(folder: Path, by_minute: bool = False) -> RunFigures:
    """A run's figures, counted anew from its journal, on the grid that the desk had, or by the minute.

    FileNotFoundError or JournalCorrupt (a ValueError) where that cannot be read.
    """
    entries = read(folder)
    engine, tally = engine_of(entries.header), Tally(READ_MOST if by_minute else TOLD_MOST, READ_MOST)
    for entry in entries:
        tally.step(engine.state, entry.event, engine.step(entry.event))
    tally.end(engine.state)
    torn = ""
    if entries.closing is None:
        torn = f"did not end in order; this is how far its journal goes{entries.torn and '; ' + entries.torn}"
    return RunFigures(str(entries.header.get("run", folder.name)), str(entries.header.get("mode", "")), tally.told(READ_MOST), torn)


def compare_runs(first: Path, second: Path, as_json: bool, above: float, least: int, by_minute: bool = False) -> int:
    """Print the comparison, paper first. Exit code 0, or 1 where a figure diverges or there is nothing in common."""
    runs = [figures(first, by_minute), figures(second, by_minute)]
    if runs[0].mode == "live" and runs[1].mode != "live":
        runs.reverse()
    one, other = runs
    names = called((one.mode == "live", other.mode == "live"))
    table = compare(one.stats, other.stats, above, least)
    if as_json:
        told = _plain(table, names) | {"alarms": [row.name.strip() for row in table.alarms]}
        told = {**dict(zip(names, (one.run, other.run), strict=True)), "modes": [one.mode, other.mode], **told}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
    else:
        sys.stdout.write(page((one.run, other.run), names, table, by_minute) + "\n")
    for run in runs:
        if run.torn:
            sys.stderr.write(f"pmm-tui: {run.run} {run.torn}\n")
    return 1 if table.alarms or table.why else 0


def _plain(table: Comparison, names: tuple[str, str]) -> dict[str, Any]:
    """The table with both sides by their names."""
    told: dict[str, Any] = msgspec.to_builtins(table)
    keys = dict(zip(("paper", "production"), names, strict=True))
    told["rows"] = [{keys.get(key, key): value for key, value in row.items()} for row in told["rows"]]
    return told


def page(runs: tuple[str, str], names: tuple[str, str], table: Comparison, by_minute: bool = False) -> str:
    """The comparison as text. The ratio is that of the second one over the first."""
    quoted, watched = ([f"{seconds / 3600:.2f} h" for seconds in both] for both in (table.quoted_s, table.watched_s))
    lines = [
        *(f"{name:<12}{run}" for name, run in zip(names, runs, strict=True)),
        f"compared    {table.markets} market{'s' * (table.markets != 1)} that both quoted at the same time: market time quoting "
        f"{quoted[0]} and {quoted[1]}",
        f"            in stretches of {table.stretch_s:g} s{'' if by_minute else ', as on the screen'}; * in all that both watched: "
        f"{watched[0]} and {watched[1]}",
    ]
    if table.why:
        return "\n".join([*lines, "", f"nothing to compare: {table.why}"])
    lines += ["", f"  {'':<26}{names[0]:>10}{names[1]:>12}{'ratio':>8}  {'95 % interval':<16}{'n':>13}  verdict"]
    group = ""
    for row in table.rows:
        if row.group != group:
            group = row.group
            lines.append(f"  {group}")
        lines.append(_line(row))
    said = ", ".join(row.name.strip() for row in table.alarms)
    return "\n".join([*lines, "", f"DIVERGES: {said}" if said else "nothing diverges"])


def _line(row: Row) -> str:
    name = f"{row.name} [{row.unit}]{' *' * row.watched}"
    values = f"{written(row.paper, row.unit):>10}{written(row.production, row.unit):>12}{ratio_written(row.ratio):>8}"
    samples = f"{row.samples[0]:,}/{row.samples[1]:,}" if any(row.samples) else ""
    return f"{_MARKS.get(row.verdict, ' ')} {name:<26}{values}  {interval_written(row.interval):<16}{samples:>13}  {row.verdict}".rstrip()
