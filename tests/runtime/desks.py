"""A desk of its own for a test: a real engine with real records, without feeds, a venue or a window."""

from pathlib import Path

from msgspec import to_builtins

from pmm_tui.core.engine import Engine
from pmm_tui.core.knobs import Knobs
from pmm_tui.core.snapshot import DeskCard
from pmm_tui.core.units import Nanos
from pmm_tui.record.journal import Journal
from pmm_tui.record.replay import Proof, prove
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.logs import start_logs
from pmm_tui.runtime.replaying import engine_of
from tests.core.desk import knobs

CARD = DeskCard(
    run="run", profile="test", mode="PAPER", source="tape", started=Nanos(0), speed="max", tape_position=0.0,
    engine_p99_us=0.0, pid=1, version="0", fill_model="coin", account="", busy="",
)  # fmt: skip


def desk_in(folder: Path, settings: Knobs | None = None, *, latch: Path | None = None, ballast_mib: float = 0.25) -> Desk:
    """A desk whose records are in `folder`."""
    settings = settings or knobs()
    journal = Journal(folder, {"run": "run", "knobs": to_builtins(settings)}, ballast_mib=ballast_mib)
    return Desk(Engine(settings), journal, folder, CARD, start_logs(folder, "PAPER", False), latch)


def proven(folder: Path) -> Proof:
    """The journal, replayed."""
    return prove(folder, engine_of)
