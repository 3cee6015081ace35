"""A screen as files: its data as CSV in plain units, its look as SVG and as text."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path

from pmm_tui.core.snapshot import Frame, LevelRow, Snapshot
from pmm_tui.core.units import DOLLAR, ONE, SHARE
from pmm_tui.study.compare import DIVERGES_ABOVE, called, compare, interval_written
from pmm_tui.tui import format as f
from pmm_tui.tui.clip import state_folder, write_private
from pmm_tui.tui.rows.fills import AFTER

Table = tuple[Sequence[str], list[Sequence[object]]]
"""Names of columns, and rows."""
COMPARE = 8
_FORMULA = ("=", "+", "-", "@", "\t")


def _text(value: str) -> str:
    """A string from outside: no control characters, and nothing that a spreadsheet would run."""
    cleaned = f.clean(value)
    return f"'{cleaned}" if cleaned.startswith(_FORMULA) else cleaned


def _when(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000_000_000, UTC).isoformat(timespec="milliseconds") if at > 0 else ""


def _price(price: float) -> str:
    return f"{price / ONE:.4f}"


def _shares(size: int) -> str:
    return f"{size / SHARE:.6f}".rstrip("0").rstrip(".")


def _dollars(cash: int) -> str:
    return f"{cash / DOLLAR:.6f}"


def _best(levels: Iterable[LevelRow]) -> str:
    return next((_price(level.price) for level in levels if level.size), "")


def _markets(snapshot: Snapshot) -> Table:
    who = ("market", "slug", "question", "state", "why", "best_bid", "best_ask", "mid", "fair")
    names = (*who, "yes", "no", "cost", "realised", "unrealised", "fills")
    return names, [
        (row.id, _text(row.slug), _text(row.question), row.state, _text(row.why), _best(row.bids), _best(row.asks), f"{row.mid:.4f}",
         f"{row.fair:.4f}", _shares(row.yes), _shares(row.no), *map(_dollars, (row.cost, row.realised, row.unrealised)), row.fills)
        for row in snapshot.markets
    ]  # fmt: skip


def _orders(snapshot: Snapshot) -> Table:
    names = ("order", "venue_id", "market", "outcome", "side", "price", "size", "filled", "ahead", "status", "sent_at", "why")
    return names, [
        (row.id, _text(row.venue_id), row.market, _text(row.outcome), str(row.side), _price(row.price), _shares(row.size),
         _shares(row.filled), _shares(row.ahead) if row.ahead >= 0 else "", _text(row.status), _when(row.sent_at), _text(row.why))
        for row in snapshot.orders
    ]  # fmt: skip


def _fills(snapshot: Snapshot) -> Table:
    names = ("at", "order", "market", "outcome", "side", "price", "size", "fee", "edge", "maker", "status", "ahead", "answered_ms")
    after = tuple(f"after_{label}" for label in AFTER)
    return (*names, *after), [
        (_when(row.at), row.order, row.market, _text(row.outcome), str(row.side), _price(row.price), _shares(row.size), _dollars(row.fee),
         _dollars(row.edge), row.maker, row.status, _shares(row.ahead) if row.ahead >= 0 else "",
         f"{row.answered_ms:.1f}" if row.answered_ms >= 0 else "",
         *("" if out is None else _dollars(out) for out, _ in zip_longest(row.markouts[: len(AFTER)], AFTER)))
        for row in snapshot.fills
    ]  # fmt: skip


def _risk(snapshot: Snapshot) -> Table:
    return ("name", "now", "limit", "holding"), [(_text(row.name), _text(row.now), _text(row.limit), row.holding) for row in snapshot.risk]


def _log(snapshot: Snapshot) -> Table:
    return ("at", "level", "text"), [(_when(row.at), row.level, _text(row.text)) for row in snapshot.notes]


def _money(snapshot: Snapshot) -> Table:
    money = snapshot.money
    sums = (money.equity, money.cash, money.realised, money.unrealised, money.captured, money.drift, money.adverse, money.fees)
    counts = (snapshot.fill_count, snapshot.orders_sent, sum(snapshot.rejects.values()))
    named = ("at", "phase", "equity", "cash", "realised", "unrealised", "captured", "drift", "adverse", "fees")
    names = (*named, "drawdown_pct", "fills", "orders_sent", "rejects")
    return names, [(_when(snapshot.at), snapshot.phase, *map(_dollars, sums), f"{money.drawdown_pct:.3f}", *counts)]


def _comparison(frames: Sequence[Frame], above: float) -> list[Sequence[object]]:
    """Two desks, figure by figure, with their runs; no rows where there are not two desks with figures."""
    ranked = sorted((frame for frame in frames if frame.stats is not None), key=lambda frame: frame.card.mode == "LIVE")
    if len(ranked) != 2 or ranked[0].stats is None or ranked[1].stats is None:
        return []
    one, other = called((ranked[0].card.mode == "LIVE", ranked[1].card.mode == "LIVE"))
    runs = [_text(frame.card.run) for frame in ranked]
    names = ("group", "figure", "unit", one, other, "ratio", "interval", f"n_{one}", f"n_{other}", "verdict", f"run_{one}", f"run_{other}")
    rows: list[Sequence[object]] = [names]
    for row in compare(ranked[0].stats, ranked[1].stats, above).rows:
        known = ["" if value is None else f"{value:.6g}" for value in (row.paper, row.production, row.ratio)]
        between = interval_written(row.interval) if row.interval is not None else ""
        rows.append((_text(row.group), _text(row.name), row.unit, *known, between, *row.samples, row.verdict, *runs))
    return rows


_TABLES = {1: _markets, 2: _markets, 3: _orders, 4: _fills, 5: _risk, 6: _log, COMPARE: _money}
"""What a screen is about."""


def as_csv(frames: Sequence[Frame], screen: int, above: float = DIVERGES_ABOVE) -> str:
    """The data of a screen, one row a thing and desk, whose first two columns say which desk; of the comparison, a row a figure."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    if screen == COMPARE and (rows := _comparison(frames, above)):
        writer.writerows(rows)
        return made.getvalue()
    for number, frame in enumerate(frames):
        names, rows = _TABLES.get(screen, _markets)(frame.snapshot)
        if not number:
            writer.writerow(("mode", "run", *names))
        writer.writerows((frame.card.mode, _text(frame.card.run), *row) for row in rows)
    return made.getvalue()


def export(frames: Sequence[Frame], screen: int, name: str, svg: str, text: str, at: int, above: float) -> Path:
    """Write the three files beside each other; the path of the first, without its ending. OSError where it cannot."""
    run = "".join(char for char in f.clean(frames[0].card.run) if char.isalnum() or char in "-_")[:80] if frames else "no-desk"
    base = state_folder() / "exports" / f"{run}-{name}-{datetime.fromtimestamp(at / 1_000_000_000, UTC):%Y%m%d-%H%M%S}"
    for ending, content in ((".csv", as_csv(frames, screen, above)), (".svg", svg), (".txt", text)):
        write_private(base.with_name(base.name + ending), content)
    return base
