"""`pmm-tui replay` and `pmm-tui report`: a tape through a desk, a finished run proven, a run's summary."""

import sys
from pathlib import Path

import msgspec

from pmm_tui.core.engine import Engine
from pmm_tui.core.knobs import Knobs
from pmm_tui.record.journal import read
from pmm_tui.record.replay import prove
from pmm_tui.runtime.start import Options, headless
from pmm_tui.study.performance import report, summarise


def engine_of(header: dict[str, object]) -> Engine:
    """A fresh engine with the knobs that a run started with; ValueError where the header has none that this program knows."""
    try:
        return Engine(msgspec.convert(header["knobs"], Knobs))
    except (KeyError, msgspec.ValidationError) as wrong:
        raise ValueError(f"the journal's header has no knobs that this version knows: {wrong}") from None


def prove_run(folder: Path) -> int:
    """Replay a finished run's journal. Exit code 0 where every command and the digest agree, 1 where they do not.

    FileNotFoundError or JournalCorrupt (a ValueError) where there is no journal that can be believed.
    """
    proof = prove(folder, engine_of)
    sys.stdout.write(f"{folder.name}: {proof}\n")
    return 0 if proof.holds else 1


def play_tape(path: Path, profile: str, speed: str, logs: Path | None) -> int:
    """Play a tape through a profile's desk, with records as of any run; as fast as it goes where no speed is given."""
    return headless(Options(profile=profile, speed=speed or "max", logs=logs, tape=path))


def show_report(folder: Path, as_json: bool) -> int:
    """Print a run's summary, worked out anew from its journal. FileNotFoundError or JournalCorrupt as for `prove_run`."""
    entries = read(folder)
    engine = engine_of(entries.header)
    for entry in entries:
        engine.step(entry.event)
    summary = summarise(engine.state)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(summary), indent=2).decode() + "\n")
    else:
        sys.stdout.write(report(str(entries.header.get("run", folder.name)), summary) + "\n")
    if entries.closing is None:
        sys.stderr.write(f"pmm-tui: the run did not end in order: this is how far its journal goes{entries.torn and '; ' + entries.torn}\n")
    return 0
