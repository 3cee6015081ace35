"""The newest trades of the selected market, and which of them were from us."""

from pmm_tui.core.snapshot import MarketRow
from pmm_tui.core.units import ONE, SECOND
from pmm_tui.tui import format as f
from pmm_tui.tui.rows.duo import letter, sides
from pmm_tui.tui.rows.fresh import aged
from pmm_tui.tui.rows.lines import Panel, Row, Span
from pmm_tui.tui.rows.rungs import as_no
from pmm_tui.tui.state import Scene

NEAR_NS = 2 * SECOND
"""A fill of ours and the trade that made it are told at most so far apart."""
MARKED = 26
"""From this width on the tape has room for whose fill a trade was."""


def digits(scene: Scene, tick: int) -> int:
    """Cells of a price in a list: only a probability on the finest grids needs more than five."""
    return 6 if scene.probability and tick % 10 else 5


def _ours(scene: Scene, row: MarketRow) -> dict[int, Span]:
    """Which trades, by their place in the row, were fills of ours: of one price, the nearest in time, each for one fill."""
    found: dict[int, Span] = {}
    sign = "<" if scene.symbols == "ascii" else "◂"
    places: dict[int, list[int]] = {}
    for number, trade in enumerate(row.trades):
        places.setdefault(trade.price, []).append(number)
    for one in sides(scene) if scene.beside is not None else (scene,):
        fills = one.frame.snapshot.fills if one.frame is not None else ()
        for fill in (fill for fill in fills if fill.market == row.id and fill.status != "FAILED"):
            price = fill.price if fill.outcome == row.outcomes[0] else ONE - fill.price
            like = [number for number in places.get(price, ()) if row.trades[number].size >= fill.size and number not in found]
            near = [(abs(row.trades[number].at - fill.at), number) for number in like]
            if near and min(near)[0] <= NEAR_NS:
                found[min(near)[1]] = (f" {sign} {letter(one)}", "live" if one.live else "ours")
    return found


def tape(scene: Scene, width: int, height: int) -> Panel:
    """Who took lately in this market, and which of it was from us."""
    row = scene.market
    rows: list[Row] = []
    ours = _ours(scene, row) if row is not None and width >= MARKED else {}
    if row is not None:
        row = as_no(row) if scene.no_side else row
        for number, trade in enumerate(row.trades[:height]):
            arrow: Span = ("▲", "bid") if trade.side == "BUY" else ("▼", "ask")
            price = f.fit(f.cents(trade.price, row.tick, scene.probability), digits(scene, row.tick), ">")
            size = f.fit(f.shares(trade.size), max(1, min(6, width - 11 - len(price))), ">")
            rows.append(((f"{f.clock(trade.at)} ", "dim"), (price, "bold"), arrow, (f" {size}", ""), ours.get(number, ("", ""))))
    rows = [aged(scene, one) for one in rows]
    return Panel("Tape", rows or [((" no trade yet", "dim"),)], f"{next(iter(ours.values()))[0][1]} ours" if ours else "")
