"""The paper exchange on real recorded books: it fills, only where the book came to us, and pays what the market paid."""

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from pmm_tui.core.commands import CancelAll, Place
from pmm_tui.core.events import BookReset, Event, FillSettled, Level, MarketListed, MarketResolved, OrderFilled
from pmm_tui.core.market import Market
from pmm_tui.core.units import MILLI, ONE, SECOND, Nanos, Price, Size, gets, mirror, pays
from pmm_tui.venues.paper.matching import Matching
from tests.venues.scene import BUY, MARKET, knobs, sh

DATA = Path(__file__).resolve().parents[2] / "../shared/data/btc-15m-books"


def tape() -> list[tuple[Market, int, list[BookReset]]]:
    """(market, payout of YES, books of its YES token) for three settled markets."""
    if not DATA.exists():
        pytest.skip(f"recordings not here: {DATA}")
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(DATA / "books.parquet", filters=[("side", "=", "UP")]).to_pylist()
    found = []
    for line in parquet.read_table(DATA / "markets.parquet").to_pylist()[:3]:
        name = line["market_id"]
        market = structs.replace(MARKET, id=name, yes=f"{name}-up", no=f"{name}-down")
        own = sorted((row for row in rows if row["market_id"] == name), key=lambda row: int(row["ts"]))
        found.append((market, round(line["payout_up"] * ONE), [book(row) for row in own]))
    return found


def book(row: dict[str, Any]) -> BookReset:
    ts = Nanos(int(row["ts"]) * MILLI)

    def side(name: str) -> tuple[Level, ...]:
        return tuple((Price(round(p * ONE)), sh(s)) for p, s in zip(row[f"{name}_px"], row[f"{name}_sz"], strict=True))

    return BookReset(ts, row["market_id"], ts, tuple(reversed(side("bid"))), tuple(reversed(side("ask"))))


class Joiner:
    """Joins both touches with ten shares every two seconds, and writes down what a desk would know."""

    def __init__(self, model: str) -> None:
        self.matching = Matching(knobs(model, fill_probability=0.5, adverse_selection_bps=10.0), 7)
        self.count = 0
        self.next: dict[str, Nanos] = {}
        self.orders: dict[int, Place] = {}
        self.told: list[Event] = []

    def sees(self, market: Market, seen: BookReset) -> None:
        self.matching.observe(seen)
        self.told += self.matching.advance(seen.at)
        if seen.at < self.next.get(market.id, 0) or not seen.bids or not seen.asks:
            return
        self.next[market.id] = Nanos(seen.at + 2 * SECOND)
        self.matching.send(CancelAll(), seen.at)
        for token, price in ((market.yes, seen.bids[-1][0]), (market.no, mirror(seen.asks[-1][0]))):
            self.count += 1
            self.orders[self.count] = Place(self.count, market.id, token, BUY, price, sh(10))
            self.matching.send(self.orders[self.count], seen.at)


@pytest.mark.parametrize("model", ["coin", "bbo"])
def test_settled_markets(model: str) -> None:
    desk = Joiner(model)
    payout: dict[str, int] = {}
    touches: dict[tuple[str, Nanos], BookReset] = {}
    facts: list[tuple[Market, Event]] = []
    for market, result, books in tape():
        payout |= {market.yes: result, market.no: ONE - result}
        ends = Nanos(books[-1].at + SECOND)
        facts += [(market, MarketListed(books[0].at, market)), *((market, seen) for seen in books)]
        facts.append((market, MarketResolved(ends, market.id, Price(result))))
    for market, fact in sorted(facts, key=lambda fact: fact[1].at):
        if isinstance(fact, BookReset):
            touches[market.id, fact.at] = fact
            desk.sees(market, fact)
        else:
            desk.matching.observe(fact)
    desk.told += desk.matching.advance(Nanos(facts[-1][1].at + 3600 * SECOND))
    fills = [event for event in desk.told if isinstance(event, OrderFilled)]
    assert len(fills) > 50
    assert len([event for event in desk.told if isinstance(event, FillSettled)]) == len(fills)
    bought: dict[str, int] = {}
    spent = 0
    for fill in fills:
        order = desk.orders[fill.order]
        seen = touches[order.market, fill.at]
        reached = seen.asks[-1][0] <= fill.price if order.token.endswith("-up") else seen.bids[-1][0] >= mirror(fill.price)
        assert reached and fill.price == order.price and fill.size <= order.size
        bought[order.token] = bought.get(order.token, 0) + fill.size
        spent += pays(fill.price, fill.size) + fill.fee + fill.adverse
    assert desk.matching.positions == {}
    assert desk.matching.cash == 500_000_000 - spent + sum(gets(payout[token], Size(size)) for token, size in bought.items())
