"""The cells of a run on their grid: how many are told, kept, and let go."""

from pmm_tui.study.cells import STRETCH_S, Cells
from pmm_tui.study.tally import TOLD_MOST


def test_of_more_markets_than_cells_the_newest_are_kept() -> None:
    cells = Cells(3)
    for number in (1, 0, 2, 3, 5, 4):
        cells.at(f"m{number}", number * 10**9, number * 10**9).count("fills")
    assert [cell.market for cell in cells.told(3)] == ["m3", "m4", "m5"] and cells.stretch_s == STRETCH_S, "those that end last"
    assert len(cells) == len(cells.told()) == 6, "the others are not told, and not lost"
    few = Cells(3, kept=4)
    for number in range(6):
        few.at(f"m{number}", number, 0).count("fills")
    assert [cell.market for cell in few.told()] == ["m2", "m3", "m4", "m5"]


def test_a_desk_of_weeks_keeps_a_bounded_part_on_the_grid_of_its_whole_journal() -> None:
    desk, journal = Cells(TOLD_MOST), Cells(TOLD_MOST, kept=20_000)
    sizes = []
    for number in range(3_000):  # a market of 15 minutes each 5, so three at a time, beside one that goes on
        closes = (number + 3) * 300 * 10**9
        for cells in (desk, journal):
            for minute in range(0, 15, 3):
                cells.at(f"m{number}", closes - minute * 60 * 10**9 - 1, closes).count("fills")
            cells.at("long", closes, 10**15).count("fills")
        assert desk.stretch_s == journal.stretch_s
        sizes.append(len(desk))
    assert desk.told(TOLD_MOST) == journal.told(TOLD_MOST)
    assert max(sizes) == 64 * TOLD_MOST < len(journal) == len(desk) + desk.gone
