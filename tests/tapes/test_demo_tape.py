"""The tape in the package is what its maker makes of the recordings, and its markets end with the real payouts."""

import json
from collections import Counter
from pathlib import Path

import pytest

import pmm_tui
from pmm_tui.core.units import ONE, SECOND
from pmm_tui.record.tape import GAMMA, MARKET, TapeFrame, read_tape
from tests.tapes import make_demo_tape as maker

SHIPPED = Path(pmm_tui.__file__).parent / "data" / "demo.tape.zst"
UP_WON = (False, False, False, True, True, True, True, True, True)
"""The payouts of markets.parquet, in time order."""


@pytest.fixture(scope="module")
def frames() -> list[TapeFrame]:
    return list(read_tape(SHIPPED))


def bodies(frames: list[TapeFrame], channel: str) -> list[tuple[int, dict[str, object]]]:
    return [(frame.at, json.loads(frame.raw)) for frame in frames if frame.channel == channel]


def test_it_is_small_whole_and_says_where_it_comes_from() -> None:
    assert SHIPPED.stat().st_size < 1_000_000
    tape = read_tape(SHIPPED)
    assert "Resolved Markets (https://resolvedmarkets.com)" in tape.header.attribution
    assert "CC BY 4.0" in tape.header.attribution
    assert tape.header.trades is False
    assert sum(1 for _ in tape) > 9_000
    assert tape.torn == ""
    assert "Resolved Markets" in (SHIPPED.parent / "ATTRIBUTION.md").read_text(encoding="utf-8")


def test_it_is_what_its_maker_makes(frames: list[TapeFrame]) -> None:
    pytest.importorskip("pyarrow")
    if not maker.SOURCE.is_dir():
        pytest.skip(f"recordings not here: {maker.SOURCE}")
    tape = read_tape(SHIPPED)
    assert tape.header == maker.HEADER
    tape.close()
    assert frames == maker.frames(maker.SOURCE)


def test_markets_are_listed_before_their_books_and_end_with_the_real_payout(frames: list[TapeFrame]) -> None:
    said = bodies(frames, GAMMA)
    listed = {body["conditionId"]: at for at, body in said if not body["closed"]}
    ended = {body["conditionId"]: (at, json.loads(str(body["outcomePrices"]))) for at, body in said if body["closed"]}
    assert len(listed) == len(ended) == 9
    assert [payout == ["1", "0"] for _, (_, payout) in sorted(ended.items(), key=lambda item: listed[item[0]])] == list(UP_WON)
    books = [(at, body) for at, body in bodies(frames, MARKET) if body["event_type"] == "book"]
    for market, at in listed.items():
        own = [when for when, body in books if body["market"] == market]
        assert own[0] == at
        assert own[-1] == ended[market][0] - SECOND
        assert len(own) > 1_000
    open_at_once = max(sum(at <= now < ended[market][0] for market, at in listed.items()) for now in listed.values())
    assert open_at_once >= 2, "markets overlap as they did"


def test_frames_are_in_time_order_and_shaped_like_the_venues(frames: list[TapeFrame]) -> None:
    assert [frame.at for frame in frames] == sorted(frame.at for frame in frames)
    kinds: Counter[str] = Counter()
    fine: set[object] = set()
    for at, body in bodies(frames, MARKET):
        kinds[str(body["event_type"])] += 1
        assert at == int(str(body["timestamp"])) * 1_000_000
        if body["event_type"] == "tick_size_change":
            fine.add(body["market"])
            continue
        assert body["hash"] == ""
        for side, falling in (("bids", False), ("asks", True)):
            levels = body[side]
            assert isinstance(levels, list)
            prices = [round(float(level["price"]) * ONE) for level in levels]
            assert prices == sorted(set(prices), reverse=falling), "best last, no level twice"
            assert len(prices) <= 20
            assert all(float(level["size"]) > 0 for level in levels)
            assert body["market"] in fine or all(price % 100 == 0 for price in prices), "no level is off the grid in force"
    assert kinds == {"book": 9_586, "tick_size_change": 7}


def test_crossed_and_one_sided_books_are_kept(frames: list[TapeFrame]) -> None:
    crossed = empty = 0
    for _, body in bodies(frames, MARKET):
        if body["event_type"] == "book":
            bids, asks = body["bids"], body["asks"]
            assert isinstance(bids, list)
            assert isinstance(asks, list)
            empty += not (bids and asks)
            crossed += bool(bids and asks and float(bids[-1]["price"]) >= float(asks[-1]["price"]))
    assert crossed == 1
    assert empty > 700
