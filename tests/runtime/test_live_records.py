"""What a live desk writes while it trades with real sockets, a line for every fill and the figures of the desk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pmm_tui.runtime.demo import exchange
from tests.runtime.live_stage import Stage, ended, waited

MORE = {"gas_cost_usd", "latency_ms", "rejection_reason", "queue_position", "real_fee_bps"}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """An exchange with a crowd that trades."""
    with exchange("", 0.0) as listening:
        yield listening


@pytest.fixture
def stage(port: int, tmp_path: Path) -> Iterator[Stage]:
    wallet = Stage(tmp_path, port, initial_balance=500, max_position_size=100)
    yield wallet
    wallet.close()


def test_every_fill_is_a_line_with_what_it_really_cost(stage: Stage) -> None:
    with stage.desk() as desk:
        waited(lambda: bool(stage.home.logs.is_dir() and stage.trades()))
        assert ended(desk) == 0
    lines, pieces = stage.trades(), {(piece.trade, piece.price, piece.size) for piece in stage.pieces()}
    fills = [line for line in lines if line.get("trade")]
    assert {(line["trade"], line["price"], line["size"]) for line in fills} == pieces
    for line in lines:
        assert line.keys() >= MORE, line
    for line in fills:
        assert line["latency_ms"] > 0, "every order that filled had been accepted"
        assert line["rejection_reason"] is None and line["real_fee_bps"] == 0 and line["gas_cost_usd"] == 0, "a maker's fill, and no chain"
    state = stage.state()
    assert state.keys() >= MORE
    assert state["latency_ms"]["samples"] > 0 and state["latency_ms"]["p50"] <= state["latency_ms"]["p95"]
    assert sum(market["fills"] for market in state["snapshot"]["markets"]) == len(fills)
