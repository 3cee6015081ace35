"""The exchange's servers misbehaving over real sockets: what a client sees of a dropped connection and a restart."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def exchange(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An exchange with the test's script of faults; its address."""
    script = tmp_path / "faults.yaml"
    script.write_text(request.param)
    words = [sys.executable, "-m", "pmm_tui", "exchange", "--port", "0", "--faults", str(script)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as child:
        assert child.stdout is not None
        try:
            yield f"http://127.0.0.1:{json.loads(child.stdout.readline())['port']}"
        finally:
            child.terminate()
            assert child.wait(20) == 0


@pytest.mark.parametrize("exchange", ["- {at: 0, what: restart, for: 60}\n"], indirect=True)
def test_F23_a_restart_answers_425_to_orders_and_nothing_else(exchange: str) -> None:
    assert httpx.post(f"{exchange}/order", json={}).status_code == 425
    assert httpx.get(f"{exchange}/time").status_code == 200


@pytest.mark.parametrize("exchange", ["- {at: 0, what: drop_connection, channel: rest, booked: false, for: 60}\n"], indirect=True)
def test_a_dropped_connection_is_no_answer_at_all(exchange: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{exchange}/time")


@pytest.mark.parametrize("exchange", [""], indirect=True)
def test_without_faults_it_answers(exchange: str) -> None:
    with httpx.Client(base_url=exchange) as http:
        assert http.get("/version").json() == {"version": 2}
        (market,) = http.get("/gamma/markets/keyset").json()["markets"]
        rows = http.get("/markets").json()
        assert [row["condition_id"] for row in rows["data"]] == [market["conditionId"]] and rows["next_cursor"] == "LTE="
        tokens = [{"token_id": token} for token in json.loads(market["clobTokenIds"])]
        middles = http.post("/midpoints", json=tokens).json()
        assert sum(float(value) for value in middles.values()) == pytest.approx(1.0)
        assert http.get("/data-api/positions", params={"user": "0x" + "0" * 40}).json() == []
        assert http.get("/api/geoblock").json()["blocked"] is False
