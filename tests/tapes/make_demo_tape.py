"""Makes the demo tape from the recordings of nine settled BTC 15-minute markets: python -m tests.tapes.make_demo_tape [SOURCE] [TARGET]."""

import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from pmm_tui.core.units import MILLI, SECOND, Nanos, to_size
from pmm_tui.core.units import price_text as price
from pmm_tui.core.units import size_text as size
from pmm_tui.record.tape import GAMMA, MARKET, TapeFrame, TapeHeader, TapeWriter

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "../shared/data/btc-15m-books"
TARGET = ROOT / "pmm_tui/data/demo.tape.zst"
SIZE_MAX = 1_000_000

HEADER = TapeHeader(
    made_by="pmm-tui tests/tapes/make_demo_tape.py",
    source="nine settled BTC 15-minute markets, 2026-09-28, at most one book a second",
    trades=False,
    attribution="Polymarket order-book data from Resolved Markets (https://resolvedmarkets.com), CC BY 4.0",
    note="Made here, not recorded: token ids, fee schedule, minimum size, tick size and its changes (ATTRIBUTION.md says how).",
)

Row = dict[str, Any]


def token(market_id: str, side: str) -> str:
    """A stable decimal id in place of the real token id, which the recording does not have."""
    return str(int.from_bytes(hashlib.sha256(f"{market_id}:{side}".encode()).digest(), "big"))


def compact(value: object) -> str:
    """JSON as the venue's market channel writes it."""
    return json.dumps(value, separators=(",", ":"))


def moment(ms: int) -> str:
    """ISO 8601 in UTC, as Gamma writes it."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def gamma(market: Row, tick: float, *, closed: bool) -> str:
    """A Gamma market object with the fields that are known, and the payouts once it is closed."""
    body: dict[str, object] = {
        "slug": market["slug"],
        "question": market["question"],
        "conditionId": market["market_id"],
        "outcomes": json.dumps([market["outcome_up"], market["outcome_down"]]),
        "clobTokenIds": json.dumps([token(market["market_id"], "UP"), token(market["market_id"], "DOWN")]),
        "active": True,
        "closed": closed,
        "archived": False,
        "acceptingOrders": not closed,
        "enableOrderBook": True,
        "negRisk": False,
        "eventStartTime": moment(market["start_ts"]),
        "endDate": moment(market["end_ts"]),
        "orderMinSize": 5,
        "orderPriceMinTickSize": tick,
        "feesEnabled": True,
        "feeType": "crypto_fees_v2",
        "feeSchedule": {"rate": 0.07, "exponent": 1, "takerOnly": True, "rebateRate": 0.2},
        "resolutionSource": "https://data.chain.link/streams/btc-usd",
    }
    if closed:
        body["outcomePrices"] = json.dumps([f"{market['payout_up']:g}", f"{market['payout_down']:g}"])
        body["umaResolutionStatus"] = "resolved"
    return compact(body)


def levels(prices: list[float], sizes: list[float]) -> list[dict[str, str]]:
    """One side as on the wire: best last. The recording's sizes carry float dust below the venue's six decimals."""
    pairs = zip(reversed(prices), reversed(sizes), strict=True)
    return [{"price": price(round(at * 10_000)), "size": size(to_size(amount))} for at, amount in pairs]


def book(row: Row) -> str:
    """A market-channel `book` frame of the row's own token; the hash is empty, as none was recorded."""
    return compact(
        {
            "market": row["market_id"],
            "asset_id": token(row["market_id"], row["side"]),
            "bids": levels(row["bid_px"], row["bid_sz"]),
            "asks": levels(row["ask_px"], row["ask_sz"]),
            "hash": "",
            "timestamp": str(row["ts"]),
            "event_type": "book",
        }
    )


def finer(row: Row) -> bool:
    """Whether a level is off the cent grid: the venue has changed the tick to 0.001 by now."""
    return any(round(at * 1000) % 10 for at in row["bid_px"] + row["ask_px"])


def tick_change(row: Row) -> str:
    """The venue's notice of a finer grid, put where the recording first shows one."""
    return compact(
        {
            "event_type": "tick_size_change",
            "market": row["market_id"],
            "asset_id": token(row["market_id"], "UP"),
            "old_tick_size": "0.01",
            "new_tick_size": "0.001",
            "timestamp": str(row["ts"]),
        }
    )


def chosen(rows: list[Row]) -> list[Row]:
    """The UP token's books, and the DOWN token's where there is no UP book of that millisecond: the other one is its mirror image."""
    up = {row["ts"] for row in rows if row["side"] == "UP"}
    return sorted((row for row in rows if row["side"] == "UP" or row["ts"] not in up), key=lambda row: row["ts"])


def market_frames(market: Row, rows: list[Row]) -> Iterator[TapeFrame]:
    """One market from its listing to its payout, a second after its last book."""
    kept = chosen(rows)
    fine = False
    yield TapeFrame(Nanos(kept[0]["ts"] * MILLI), GAMMA, gamma(market, 0.01, closed=False))
    for row in kept:
        at = Nanos(row["ts"] * MILLI)
        if not fine and finer(row):
            fine = True
            yield TapeFrame(at, MARKET, tick_change(row))
        yield TapeFrame(at, MARKET, book(row))
    end = Nanos(max(kept[-1]["ts"], market["end_ts"]) * MILLI + SECOND)
    yield TapeFrame(end, GAMMA, gamma(market, 0.001 if fine else 0.01, closed=True))


def frames(source: Path) -> list[TapeFrame]:
    """Every frame of the demo tape, in time order; markets overlap as they did."""
    markets = sorted(parquet.read_table(source / "markets.parquet").to_pylist(), key=lambda market: market["start_ts"])
    rows: dict[str, list[Row]] = {market["market_id"]: [] for market in markets}
    for row in parquet.read_table(source / "books.parquet").to_pylist():
        rows[row["market_id"]].append(row)
    found = [frame for market in markets for frame in market_frames(market, rows[market["market_id"]])]
    return sorted(found, key=lambda frame: frame.at)


def make(source: Path, target: Path) -> int:
    """Write the tape in one strongly compressed block; its size in bytes."""
    draft = target.with_suffix(".new")
    draft.unlink(missing_ok=True)
    writer = TapeWriter(draft, HEADER, level=19, block_frames=1 << 30, block_ms=1 << 40)
    for frame in frames(source):
        writer.write(frame.at, frame.channel, frame.raw)
    writer.close()
    draft.chmod(0o644)
    draft.replace(target)
    return target.stat().st_size


def main() -> None:
    """Make the tape and say how large it is; exit code 1 where it is too large to ship."""
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else TARGET
    made = make(source, target)
    print(f"{target}: {made:,} bytes")
    if made >= SIZE_MAX:
        sys.exit(f"too large to ship: the limit is {SIZE_MAX:,} bytes")


if __name__ == "__main__":
    main()
