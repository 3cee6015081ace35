"""A fill's markouts on the screen: in cents a share with sign and arrow, … until they mature, – where there is none; in the exports too."""

import csv
import io

import pytest
from msgspec.structs import replace

from pmm_tui.core.market import Side
from pmm_tui.core.snapshot import FillRow, Frame
from pmm_tui.tui.export import as_csv
from pmm_tui.tui.rows import desk, fills, market
from pmm_tui.tui.rows.fills import AFTER, EACH, after, pane, pane_head
from pmm_tui.tui.rows.lines import length
from tests.faces import pictures
from tests.faces.scenes import modes, production, scene
from tests.faces.test_grids import drawn, text


def a_fill(*cents: float | None, **changes: object) -> FillRow:
    """A fill whose first markouts have matured."""
    (row, *_) = pictures.fills()
    return replace(row, markouts=tuple(None if one is None else pictures.usd(one / 100) for one in cents), **changes)


def of(*rows: FillRow) -> Frame:
    """A picture with these fills."""
    return replace(pictures.three(), snapshot=replace(pictures.three().snapshot, fills=rows))


def test_a_markout_has_sign_arrow_and_colour_and_what_is_not_known_has_neither() -> None:
    row = a_fill(0.45, -0.1, 0, None)
    told = [after(row, number) for number in range(6)]
    assert [cell.strip() for cell, _ in told] == ["+0.45▲", "-0.10▼", "0.00", "–", "…", "…"]
    assert [style for _, style in told] == ["plus", "minus", "", "dim", "dim", "dim"]
    assert {length((cell,)) for cell in told} == {EACH}
    digits = [cell.rstrip("▲▼ …–") for cell, _ in told[:3]]
    assert {len(cell) for cell in digits} == {EACH - 1}, "the digits stand under each other"


@pytest.mark.parametrize(("width", "lines_each"), [(160, 1), (144, 1), (143, 2), (80, 2), (60, 2)])
def test_every_fill_shows_all_six_or_where_there_is_little_room_half_of_them(width: int, lines_each: int) -> None:
    row = a_fill(1.5, -2.25, 0, None, 10.75)
    panel = fills.fills(scene(of(row, row)), width, 20)
    shown = text(panel.rows)
    more = ("0.5s", "10s", "2m", "+1.50▲", "0.00", "+10.75▲") if width >= fills.WHOLE else ()
    for word in ("2s", "30s", "10m", "-2.25▼", "–", "…", "+$0.38", "matched", *more):
        assert word in shown, word
    assert shown.count("-2.25▼") == 2
    assert len([line for line in panel.rows if any("▲" in part or "▼" in part for part, _ in line)]) == 2 * lines_each
    assert "¢" in shown + panel.note, "their unit is said"


def test_headings_stand_over_their_columns() -> None:
    row = a_fill(1.5, -2.25, 0.5, 1.25, 10.75, -3.5)
    for width in (160, 120, 80):
        lines = text(fills.fills(scene(of(row)), width, 20).rows).splitlines()
        (head,) = [line for line in lines if "10m" in line]
        (body,) = [line for line in lines if "-2.25▼" in line]
        for label, shown in zip(AFTER, ("+1.50", "-2.25", "+0.50", "+1.25", "+10.75", "-3.50"), strict=True):
            assert head.index(f" {label} ") + len(label) == body.index(shown) + len(shown) - 1, (width, label)


@pytest.mark.parametrize("width", [160, 120, 80, 56])
def test_a_fill_that_is_not_ours_says_so_and_counts_apart(width: int) -> None:
    own, other = a_fill(0.5, 1.5, order=7), a_fill(0.5, 1.5, order=-7)
    shown = drawn(fills.fills, scene(of(own, other)), width, 20)
    assert shown.count("NOT US ") == 2 and "these 1:" in shown and "NOT US 1" in shown
    assert shown.count("+$0.38") == 2 and shown.count("+1.50▲") == 1, "its edge is in no sum, its markouts are nobody's"
    lost = drawn(fills.fills, scene(of(own, other, a_fill(status="FAILED"))), width, 20)
    (sums,) = [line for line in lost.splitlines() if "these" in line]
    assert sums.index("FAILED 1") < sums.index("NOT US 1") < sums.index("edge +$0.38") and "…" not in sums
    assert [length(pane(other, wide, 100)) for wide in (48, 56, 64)] == [48, 56, 64]
    assert all("NOT US" in text([pane(other, wide, 100)]) for wide in (48, 56, 64))
    assert "NOT US" in drawn(desk.fills, scene(of(own, other)), 47, 8)
    found = drawn(fills.fills, replace(scene(of(own, other)), filter="not us"), width, 20)
    assert "these 0:" in found


def test_every_fill_names_its_market_and_the_title_the_selected_one() -> None:
    for width in (160, 120, 80, 56):
        panel = fills.fills(scene(of(a_fill(0.5))), width, 20)
        shown = text(panel.rows)
        assert shown.count("2:15PM") == 2 and "x f p act on: Bitcoin" in shown
    both = drawn(fills.fills, modes(pictures.three(), production())["both"], 120, 28)
    assert both.count("Bitcoin Up…2:15PM ET") == 1 + len(pictures.three().snapshot.fills) + len(production().snapshot.fills)


def test_the_list_scrolls_to_its_last_fill() -> None:
    rows = tuple(a_fill(number / 4, order=number) for number in range(50))
    for width in (160, 80):
        last = drawn(fills.fills, replace(scene(of(*rows)), scroll=500), width, 20)
        assert "+12.25▲" in last and "+0.25▲" not in last
    for height in (19, 20):
        shown = drawn(fills.fills, scene(of(*rows)), 80, height)
        fit = (height - 4) // 2
        assert f"1-{fit} of 50" in shown and shown.count("+$0.38") == shown.count("2:15PM ET") - 1 == fit, "no fill is cut in two"


def test_a_market_s_own_pane_has_edge_and_two_markouts_or_one() -> None:
    row = a_fill(0.5, 0.25, -1, -1.5, side=Side.SELL)
    assert pane_head(64).split() == [*["time", "side", "out", "size", "price", "edge"], "@2s", "@30s", "state"]
    assert [length(pane(row, width, 100)) for width in (48, 56, 64)] == [48, 56, 64] and len(pane_head(56)) == 56
    shown = text([pane(row, 64, 100)])
    assert "+$0.38  +0.25▲  -1.50▼ matched" in shown
    assert "+0.25▲" in text([pane(row, 48, 100)]) and "-1.50" not in text([pane(row, 48, 100)])
    failed = a_fill(*[None] * 6, status="FAILED")
    assert all("FAILED" in text([pane(failed, width, 100)]) for width in (48, 56, 64))
    taken = a_fill(0.5, maker=False)
    assert "TAKER" in text([pane(taken, 64, 100)])
    both = drawn(market.market, modes(pictures.three(), production())["both"], 160, 44)
    assert "@30s" in both and "P 14:02:17 SELL▼ Up       25  53.0  +$0.12  +0.25▲      …" in both


def test_an_export_has_them_in_dollars_a_share_and_blanks_for_the_rest() -> None:
    (first,) = csv.DictReader(io.StringIO(as_csv([of(a_fill(1.5, None, -0.25))], 4)))
    assert [first[f"after_{label}"] for label in AFTER] == ["0.015000", "", "-0.002500", "", "", ""]
