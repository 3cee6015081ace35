"""The deep ladder: as many levels a side as are chosen, from a desk's own picture of a deep book."""

import re

import msgspec
import pytest
from msgspec.structs import replace

from pmm_tui.api.protocol import decode_frame, encode_frame
from pmm_tui.core.snapshot import Frame
from pmm_tui.tui.rows import book
from pmm_tui.tui.state import Scene
from pmm_tui.tui.view import DEPTHS
from tests.core.desk import Bench
from tests.core.desk import book as drawn
from tests.faces import pictures
from tests.faces.fake_desk import UP

DEEPEST = max(DEPTHS)
BIDS, ASKS = [48 - 0.5 * n for n in range(30)], [52 + 0.5 * n for n in range(30)]
"""Prices of a book of thirty levels a side, in cents."""


def deep() -> Frame:
    """What a desk shows of such a book."""
    bench = Bench()
    bench.tell(drawn(100, " ".join(f"{cents}x100" for cents in BIDS) + " | " + " ".join(f"{cents}x100" for cents in ASKS)))
    return replace(pictures.quoting(), snapshot=bench.engine.snapshot())


@pytest.mark.parametrize("depth", DEPTHS)
def test_as_many_levels_a_side_as_are_chosen_where_there_is_room(depth: int) -> None:
    one = decode_frame(encode_frame(deep()))
    panel = book.ladder(Scene(one, UP, 0, one.snapshot.at, pane=2, depth=depth), 80, 2 * DEEPEST + 4 + 2)
    prices = [float(found[1]) for row in panel.rows if (found := re.search(r"│ +(\d+\.\d) +│", "".join(text for text, _ in row)))]
    levels = depth or DEEPEST
    assert prices == [*ASKS[:levels][::-1], *BIDS[:levels]]


def test_a_level_goes_out_as_three_plain_numbers() -> None:
    frame = deep()
    (row,) = frame.snapshot.markets
    assert msgspec.json.encode(row.bids[:2]) == b"[[4800,100000000,0],[4750,100000000,0]]"
    assert len(msgspec.json.encode(row.bids + row.asks)) / (2 * DEEPEST) < 20
