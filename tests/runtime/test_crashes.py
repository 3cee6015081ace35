"""A desk that crashes again and again: counted by what its runs left, and the next one starts paused."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pmm_tui.runtime.crashes import WITHIN_S, crashed
from pmm_tui.runtime.demo import exchange
from tests.runtime.live_stage import Stage, ended
from tests.runtime.scene import waited

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def left(
    logs: Path,
    profile: str,
    ended_ago_s: float,
    *,
    summary: bool = False,
    began_ago_s: float = 3_600.0,
    mark: str = "ab12",
    now: datetime = NOW,
) -> Path:
    """A run's folder."""
    folder = logs / f"{profile}-{now - timedelta(seconds=began_ago_s):%Y%m%d-%H%M%S}-{mark}"
    folder.mkdir(parents=True)
    if summary:
        (folder / "summary.json").write_text("{}")
    journal = folder / "journal.jsonl"
    journal.write_text("{}\n")
    at = now.timestamp() - ended_ago_s
    os.utime(journal, (at, at))
    return folder


def test_what_counts_as_a_crash(tmp_path: Path) -> None:
    assert crashed(tmp_path / "none", "prod-001", "", NOW) == 0
    left(tmp_path, "prod-001", 30, mark="a1")
    left(tmp_path, "prod-001", WITHIN_S, mark="a2")
    left(tmp_path, "prod-001", WITHIN_S + 1, mark="a3")
    left(tmp_path, "prod-001", 60, summary=True, mark="a4")
    left(tmp_path, "prod-0012", 40)
    (tmp_path / "prod-001-notes").mkdir()
    refused = left(tmp_path, "prod-001", 10, mark="a5")
    (refused / "journal.jsonl").unlink()
    torn = left(tmp_path, "prod-001", 10, mark="a6")
    (torn / "journal.jsonl").write_text("")
    own = left(tmp_path, "prod-001", 0, began_ago_s=0)
    assert crashed(tmp_path, "prod-001", own.name, NOW) == 2


def test_a_desk_that_ran_for_long_and_a_slow_loop_count_by_when_they_crashed(tmp_path: Path) -> None:
    for number, (began_ago_s, ended_ago_s) in enumerate(((90_000, 500), (495, 250), (245, 5))):
        left(tmp_path, "prod-001", ended_ago_s, began_ago_s=began_ago_s, mark=f"a{number}")
    assert crashed(tmp_path, "prod-001", "", NOW) == 3


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
    before = [left(stage.home.logs, name, 20 + number, now=datetime.now(UTC), mark=f"ab{number}") for number in range(3)]
    with stage.desk() as desk:
        waited(lambda: any(path not in before and (path / "live_state_production.json").is_file() for path in stage.home.logs.iterdir()))
        (folder,) = (path for path in stage.home.logs.iterdir() if path not in before)
        waited(lambda: json.loads((folder / "live_state_production.json").read_bytes())["snapshot"]["phase"] == "paused")
        assert json.loads((folder / "live_state_production.json").read_bytes())["snapshot"]["why"].startswith("paused: safe mode: 3")
        assert ended(desk) == 0
    stage.close()
    told = (folder / "run.log").read_text()
    assert "desk paused the desk: safe mode: 3 crashes within ten minutes" in told
    assert json.loads((folder / "live_state_production.json").read_bytes())["snapshot"]["orders_sent"] == 0
