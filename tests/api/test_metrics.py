"""The metrics follow Prometheus' text format and naming, and the dashboard asks only for what is there."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from pmm_tui.api.faces import Faces
from pmm_tui.api.metrics import METRICS, NAMES, Shown, exposition
from pmm_tui.api.schema import alerts, dashboard
from pmm_tui.core.snapshot import Frame, VenueRow
from tests.api.scene import by_socket, serving
from tests.faces import pictures
from tests.faces.fake_desk import FakeBoard

UNITS = ("_usd", "_seconds", "_ratio", "_shares", "_total", "_orders", "_faces", "_consoles")
FLAGS = ("_up", "_phase", "_broken", "_holding", "_quoting", "_mode")
LINE = re.compile(r'(pmm_[a-z0-9_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+)\})? (-?[0-9.e+-]+)')
NOT_DRAWN = {
    "pmm_desk_start_time_seconds", "pmm_desk_snapshot_time_seconds", "pmm_drawdown_usd", "pmm_market_quoting", "pmm_market_fills_total",
    "pmm_book_hashes_verified_total", "pmm_api_frames_total", "pmm_api_faces_turned_away_total", "pmm_api_commands_total",
    "pmm_venue_mode", "pmm_venue_mode_until_seconds", "pmm_heartbeat_age_seconds", "pmm_venue_answer_seconds",
}  # fmt: skip
"""What the dashboard has no panel for: rules for alerts and questions by hand use it, or a panel shows the same in another way."""
FUNCTIONS = {"rate", "increase", "sum", "max", "by", "label_values"}


def scraped(frame: Frame | None, desk: str = "") -> dict[str, list[tuple[dict[str, str], float]]]:
    """A scrape, read strictly: every line is understood, every family is declared once and before its samples."""
    text = exposition([Shown(desk, frame, Faces(FakeBoard(pictures.quoting())))]).decode()
    assert text.endswith("\n")
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    declared: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in declared and kind in ("gauge", "counter")
            declared[name] = kind
        elif not line.startswith("# HELP "):
            told = LINE.fullmatch(line)
            assert told is not None, line
            assert told[1] in declared
            labels = dict(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', told[2] or ""))
            found.setdefault(told[1], []).append((labels, float(told[3])))
    assert all((kind == "counter") == name.endswith("_total") for name, kind in declared.items())
    return found


def value(found: dict[str, list[tuple[dict[str, str], float]]], name: str, **labels: str) -> float:
    """The one sample with these labels."""
    [one] = [number for told, number in found[name] if labels.items() <= told.items()]
    return one


def test_a_rehearsal_is_not_called_live() -> None:
    frame = pictures.live()
    rehearsal = replace(frame, card=replace(frame.card, source="loopback"))
    assert [scraped(one)["pmm_up"][0][0]["mode"] for one in (frame, rehearsal)] == ["LIVE", "REHEARSAL"]


def test_names_carry_their_units_and_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert [name for name in NAMES if not name.startswith("pmm_") or not name.endswith(UNITS + FLAGS)] == []


def test_the_figures_are_those_of_the_picture_in_base_units() -> None:
    frame = pictures.three()
    found = scraped(frame)
    assert value(found, "pmm_up", run=frame.card.run, profile="run-007", mode="PAPER") == 1
    assert value(found, "pmm_equity_usd") == pytest.approx(512.4)
    assert value(found, "pmm_drawdown_ratio") == pytest.approx(0.021)
    assert value(found, "pmm_engine_step_p99_seconds") == pytest.approx(84e-6)
    assert value(found, "pmm_position_shares", slug="btc-updown-15m-1795269600", outcome="Up") == 120
    assert value(found, "pmm_market_mid_usd", slug="fed-cuts-25bp") == pytest.approx(0.7135)
    assert value(found, "pmm_market_touch_usd", slug="btc-updown-15m-1795269600", side="bid") == pytest.approx(0.52)
    assert value(found, "pmm_book_age_seconds", slug="btc-updown-15m-1795269600") == pytest.approx(0.14)
    assert [told["phase"] for told, number in found["pmm_desk_phase"] if number] == [frame.snapshot.phase]
    assert set(found) <= set(NAMES)


def test_every_family_is_told_of_a_desk_that_has_all_of_it() -> None:
    frame = pictures.three()
    snapshot = replace(frame.snapshot, rejects={"post-only": 3}, risk=tuple(replace(row, used=0.5) for row in frame.snapshot.risk))
    card = replace(frame.card, heartbeat_s=2.1, answer_ms=38.0)
    told = scraped(Frame(card, snapshot))
    assert set(told) == set(NAMES)
    (_, beat), (_, answer), (_, drift) = (told[f"pmm_{name}"][0] for name in ("heartbeat_age_seconds", "venue_answer_seconds", "drift_usd"))
    assert (beat, answer, drift) == (2.1, 0.038, -0.31)


def test_every_sample_says_which_desk_it_is_of_and_no_label_of_its_own_hides_that() -> None:
    frame = pictures.three()
    snapshot = replace(frame.snapshot, rejects={"post-only": 3})
    for name, samples in scraped(replace(frame, snapshot=snapshot)).items():
        whose = {tuple(labels[one] for one in ("run", "profile", "mode")) for labels, _ in samples}
        assert whose == {(frame.card.run, "run-007", "PAPER")}, name
        assert len({tuple(sorted(labels.items())) for labels, _ in samples}) == len(samples), f"{name}: two samples are one series"


def test_what_is_unknown_is_left_out_and_text_is_escaped() -> None:
    waiting = pictures.waiting()
    assert "pmm_market_mid_usd" not in scraped(waiting)
    assert scraped(None, "paper")["pmm_up"] == [({"desk": "paper"}, 0.0)]
    strange = replace(waiting, snapshot=replace(waiting.snapshot, rejects={'say "no"\\\nx': 2}))
    [(labels, number)] = scraped(strange)["pmm_rejects_total"]
    assert labels["reason"] == 'say \\"no\\"\\\\\\nx' and number == 2


async def test_it_is_served_with_what_the_faces_cost(tmp_path: Path) -> None:
    path = tmp_path / "s" / "desk.sock"
    async with serving(path, FakeBoard(pictures.quoting())), by_socket(path) as http:
        answer = await http.get("/metrics")
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert "pmm_api_faces{" in answer.text and 'run="run-007-1795258"' in answer.text


def expressions(node: Any) -> list[str]:
    """Every query of a dashboard."""
    if isinstance(node, list):
        return [found for one in node for found in expressions(one)]
    if not isinstance(node, dict):
        return []
    own = [text for name in ("expr", "query") if isinstance(text := node.get(name), str) and "pmm_" in text]
    return own + [found for one in node.values() for found in expressions(one)]


def test_the_dashboard_asks_only_for_what_is_there() -> None:
    board = msgspec.json.decode(dashboard())
    asked = expressions(board)
    assert len(asked) > 30
    known = {metric.name: metric for metric in METRICS}
    for query in asked:
        names = re.findall(r"pmm_\w+", query)
        assert names and set(names) <= set(NAMES), query
        words = set(re.findall(r"([a-z_]+) ?\(", query))
        assert words <= FUNCTIONS, query
        if "rate(" in query or "increase(" in query:
            assert all(name.endswith("_total") for name in names), query
        elif any(name.endswith("_total") for name in names):
            raise AssertionError(f"a counter is shown as it is: {query}")
    shown = {name for query in asked for name in re.findall(r"pmm_\w+", query)}
    assert known["pmm_equity_usd"].name in shown and "pmm_up" in shown
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    assert {name for name in NAMES if name not in shown} == NOT_DRAWN


def test_the_alerts_ask_only_for_what_is_there() -> None:
    rules = [rule for group in yaml.safe_load(alerts())["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"pmm_\w+", rule["expr"])}
    assert len(rules) == 7 and asked <= set(NAMES)
    found = scraped(pictures.three())
    for rule in rules:
        for name, label, wanted in re.findall(r'(pmm_\w+)\{(\w+)=~?"([^"]*)"\}', rule["expr"]):
            told = {labels.get(label) for labels, _ in found[name]}
            assert set(wanted.split("|")) <= told, f"{rule['alert']}: no {name} says {label}={wanted}"


def test_the_dashboard_s_panels_lie_beside_each_other() -> None:
    places: set[tuple[int, int]] = set()
    for panel in msgspec.json.decode(dashboard())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places and at["x"] + at["w"] <= 24, panel["title"]
        places |= cells


def test_the_venues_mode_is_one_of_those_that_are_named_with_its_end() -> None:
    frame = pictures.live()
    found = scraped(replace(frame, snapshot=replace(frame.snapshot, venue=VenueRow("post_only", pictures.NOW, pictures.NOW))))
    assert [told["takes"] for told, number in found["pmm_venue_mode"] if number] == ["post_only"]
    assert value(found, "pmm_venue_mode_until_seconds") == pictures.NOW / 1e9
    assert value(scraped(frame), "pmm_venue_mode", takes="open") == 1
