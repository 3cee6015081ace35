"""`pmm-tui compare`: two finished runs side by side, from their journals."""

import sys
from pathlib import Path

import msgspec
from msgspec import Struct

from pmm_tui.core.snapshot import Stats
from pmm_tui.record.journal import read
from pmm_tui.runtime.replaying import engine_of
from pmm_tui.study.compare import Comparison, Row, compare, interval_written, ratio_written, written
from pmm_tui.study.tally import READ_MOST, Tally

_MARKS = {"DIVERGES": "!"}


class RunFigures(Struct, frozen=True):
    """What one run came to."""

    run: str
    mode: str
    """paper | live"""
    stats: Stats
    torn: str
    """How its journal ends where it was not in order."""


def figures(folder: Path) -> RunFigures:
    """A run's figures, counted anew from its journal. FileNotFoundError or JournalCorrupt (a ValueError) where that cannot be read."""
    entries = read(folder)
    engine, tally = engine_of(entries.header), Tally(READ_MOST)
    for entry in entries:
        tally.step(engine.state, entry.event, engine.step(entry.event))
    torn = ""
    if entries.closing is None:
        torn = f"did not end in order; this is how far its journal goes{entries.torn and '; ' + entries.torn}"
    return RunFigures(str(entries.header.get("run", folder.name)), str(entries.header.get("mode", "")), tally.told(), torn)


def compare_runs(first: Path, second: Path, as_json: bool, above: float, least: int) -> int:
    """Print the comparison, paper first. Exit code 0, or 1 where a figure diverges or there is nothing in common."""
    runs = [figures(first), figures(second)]
    if runs[0].mode == "live" and runs[1].mode != "live":
        runs.reverse()
    paper, production = runs
    table = compare(paper.stats, production.stats, above, least)
    if as_json:
        told = {"paper": paper.run, "production": production.run, "alarms": [row.name.strip() for row in table.alarms]}
        told |= msgspec.to_builtins(table)
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n")
    else:
        sys.stdout.write(page(paper.run, production.run, table) + "\n")
    for run in runs:
        if run.torn:
            sys.stderr.write(f"pmm-tui: {run.run} {run.torn}\n")
    return 1 if table.alarms or table.why else 0


def page(paper: str, production: str, table: Comparison) -> str:
    """The comparison as text. The ratio is production over paper."""
    hours = [f"{seconds / 3600:.2f} h" for seconds in table.quoted_s]
    lines = [
        f"paper       {paper}",
        f"production  {production}",
        f"compared    {table.markets} market{'s' * (table.markets != 1)}; "
        f"market time quoting {hours[0]} and {hours[1]}, in stretches of {table.stretch_s:g} s",
    ]
    if table.why:
        return "\n".join([*lines, "", f"nothing to compare: {table.why}"])
    lines += ["", f"  {'':<26}{'paper':>10}{'production':>12}{'ratio':>8}  {'95 % interval':<16}{'n':>13}  verdict"]
    group = ""
    for row in table.rows:
        if row.group != group:
            group = row.group
            lines.append(f"  {group}")
        lines.append(_line(row))
    said = ", ".join(row.name.strip() for row in table.alarms)
    return "\n".join([*lines, "", f"DIVERGES: {said}" if said else "nothing diverges"])


def _line(row: Row) -> str:
    name = f"{row.name} [{row.unit}]"
    values = f"{written(row.paper, row.unit):>10}{written(row.production, row.unit):>12}{ratio_written(row.ratio):>8}"
    samples = f"{row.samples[0]:,}/{row.samples[1]:,}" if any(row.samples) else ""
    return f"{_MARKS.get(row.verdict, ' ')} {name:<26}{values}  {interval_written(row.interval):<16}{samples:>13}  {row.verdict}".rstrip()
