"""A desk that crashes again and again: counted by what its runs left, and the next one starts paused."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pmm_tui.runtime.crashes import WITHIN_S, crashed
from pmm_tui.runtime.demo import exchange
from tests.runtime.live_stage import Stage, ended
from tests.runtime.scene import waited

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def began(logs: Path, profile: str, ago_s: float, *, summary: bool, now: datetime = NOW, mark: str = "ab12") -> Path:
    """A run's folder."""
    folder = logs / f"{profile}-{now - timedelta(seconds=ago_s):%Y%m%d-%H%M%S}-{mark}"
    folder.mkdir(parents=True)
    if summary:
        (folder / "summary.json").write_text("{}")
    (folder / "journal.jsonl").write_text("{}\n")
    return folder


def test_what_counts_as_a_crash(tmp_path: Path) -> None:
    assert crashed(tmp_path / "none", "prod-001", "", NOW) == 0
    began(tmp_path, "prod-001", 30, summary=False)
    began(tmp_path, "prod-001", WITHIN_S, summary=False)
    began(tmp_path, "prod-001", WITHIN_S + 1, summary=False)
    began(tmp_path, "prod-001", 60, summary=True)
    began(tmp_path, "prod-0012", 40, summary=False)
    began(tmp_path, "prod-001", -40, summary=False)
    (tmp_path / "prod-001-notes").mkdir()
    (tmp_path / "prod-001-99999999-999999-ab12").mkdir()
    refused = began(tmp_path, "prod-001", 10, summary=False, mark="ab13")
    (refused / "journal.jsonl").unlink()
    torn = began(tmp_path, "prod-001", 10, summary=False, mark="ab14")
    (torn / "journal.jsonl").write_text("")
    own = began(tmp_path, "prod-001", 0, summary=False)
    assert crashed(tmp_path, "prod-001", own.name, NOW) == 2


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with exchange("demo", 900.0) as listening:
        yield listening


def test_starts_that_were_refused_are_no_crashes(port: int, tmp_path: Path) -> None:
    stage = Stage(tmp_path, port)
    with stage.desk() as first:
        waited(lambda: bool(list(stage.home.logs.glob("*/live_state_production.json"))))
        for _ in range(3):
            refused = stage.home.call("--profile", stage.profile, "--no-ui", "--logs", stage.home.logs, env=stage.env)
            assert refused.returncode == 2 and "one wallet, one desk" in refused.stderr
        first.kill()
        first.wait()
    assert crashed(stage.home.logs, Path(stage.profile).stem, "", datetime.now(UTC)) == 1, "the one that was killed"
    stage.close()


@pytest.mark.fault("F60")
def test_after_three_crashes_the_next_desk_waits_for_a_person(port: int, tmp_path: Path) -> None:
    stage = Stage(tmp_path, port)
    name = Path(stage.profile).stem
    left = [began(stage.home.logs, name, 20 + number, summary=False, now=datetime.now(UTC), mark=f"ab{number}") for number in range(3)]
    with stage.desk() as desk:
        waited(lambda: any(path not in left and (path / "live_state_production.json").is_file() for path in stage.home.logs.iterdir()))
        (folder,) = (path for path in stage.home.logs.iterdir() if path not in left)
        waited(lambda: json.loads((folder / "live_state_production.json").read_bytes())["snapshot"]["phase"] == "paused")
        assert json.loads((folder / "live_state_production.json").read_bytes())["snapshot"]["why"].startswith("paused: safe mode: 3")
        assert ended(desk) == 0
    stage.close()
    told = (folder / "run.log").read_text()
    assert "desk paused the desk: safe mode: 3 crashes within ten minutes" in told
    assert json.loads((folder / "live_state_production.json").read_bytes())["snapshot"]["orders_sent"] == 0
