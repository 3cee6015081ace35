"""What the HTTP routes answer with: parts of the picture, each with the moment that it is of."""

from typing import Any

import msgspec
from msgspec import Struct

from pmm_tui.api.protocol import mode_word
from pmm_tui.core.snapshot import (
    BookHealth,
    FeedRow,
    FillRow,
    Frame,
    KillRow,
    LevelRow,
    MarketRow,
    Money,
    OrderRow,
    QuoteRow,
    RiskRow,
    VenueRow,
)
from pmm_tui.core.units import Cash, Nanos, Price, Size


class Problem(Struct, frozen=True):
    """Why a request was not answered."""

    error: str


class Health(Struct, frozen=True):
    """Whether the desk is well, and who it is."""

    ok: bool
    run: str
    mode: str
    """PAPER | LIVE | REHEARSAL"""
    pid: int
    version: str
    phase: str
    why: str
    busy: str
    seq: int
    at: Nanos


class FeedQuality(Struct, frozen=True):
    """How far one market's book can be believed."""

    market: str
    slug: str
    state: str
    why: str
    health: BookHealth


class Feeds(Struct, frozen=True):
    """The connections, and what came of them."""

    seq: int
    at: Nanos
    feeds: tuple[FeedRow, ...]
    venue: VenueRow
    quality: tuple[FeedQuality, ...]


class Markets(Struct, frozen=True):
    """Every market with all that is known of it."""

    seq: int
    at: Nanos
    markets: tuple[MarketRow, ...]


class BookRow(Struct, frozen=True):
    """One market's book, in YES terms, best first."""

    market: str
    slug: str
    outcomes: tuple[str, str]
    tick: Price
    bids: tuple[LevelRow, ...]
    asks: tuple[LevelRow, ...]
    mid: float
    micro: float
    imbalance: float
    last: Price
    health: BookHealth


class Books(Struct, frozen=True):
    """The books."""

    seq: int
    at: Nanos
    books: tuple[BookRow, ...]


class QuotedMarket(Struct, frozen=True):
    """What is wanted in one market, and what it was computed from."""

    market: str
    slug: str
    state: str
    why: str
    fair: float
    centre: float
    half_spread: float
    sigma: float
    sigma_source: str
    quotes: tuple[QuoteRow, ...]


class Quotes(Struct, frozen=True):
    """The quotes, held ones with their reasons."""

    seq: int
    at: Nanos
    markets: tuple[QuotedMarket, ...]


class Orders(Struct, frozen=True):
    """The orders that are not done."""

    seq: int
    at: Nanos
    orders: tuple[OrderRow, ...]


class Fills(Struct, frozen=True):
    """The newest fills, newest first, and how many there were."""

    seq: int
    at: Nanos
    fill_count: int
    fills: tuple[FillRow, ...]


class Position(Struct, frozen=True):
    """What is held of one market."""

    market: str
    slug: str
    outcomes: tuple[str, str]
    yes: Size
    no: Size
    cost: Cash
    realised: Cash
    unrealised: Cash
    payout_yes: Price | None


class Positions(Struct, frozen=True):
    """What is held."""

    seq: int
    at: Nanos
    positions: tuple[Position, ...]


class HeldQuote(Struct, frozen=True):
    """A quote that a reviewer holds, and why."""

    market: str
    slug: str
    quote: QuoteRow


class Risk(Struct, frozen=True):
    """Every guard, cap and reviewer, the kill switch, what is held, and what the venue refused."""

    seq: int
    at: Nanos
    phase: str
    why: str
    guards: tuple[RiskRow, ...]
    kill: tuple[KillRow, ...]
    held: tuple[HeldQuote, ...]
    rejects: dict[str, int]
    orders_sent: int


class Pnl(Struct, frozen=True):
    """The account, and its equity over time."""

    seq: int
    at: Nanos
    money: Money
    gas: Cash
    fill_count: int
    equity_curve: tuple[tuple[Nanos, Cash], ...]


class Trades(Struct, frozen=True):
    """The newest lines of the run's trades file, oldest first, as they were written."""

    trades: tuple[dict[str, Any], ...]


class JournalTail(Struct, frozen=True):
    """The newest lines of the run's journal, oldest first, as they were written."""

    lines: tuple[dict[str, Any], ...]


def health(frame: Frame) -> Health:
    """A broken or killed desk is not well."""
    card, snapshot = frame.card, frame.snapshot
    well = not card.busy and snapshot.phase not in ("killing", "killed")
    return Health(
        well, card.run, mode_word(card), card.pid, card.version, snapshot.phase, snapshot.why, card.busy, snapshot.seq, snapshot.at
    )  # fmt: skip


def feeds(frame: Frame) -> Feeds:
    """Of every market that is shown."""
    quality = tuple(FeedQuality(row.id, row.slug, row.state, row.why, row.health) for row in frame.snapshot.markets)
    return Feeds(frame.snapshot.seq, frame.snapshot.at, frame.snapshot.feeds, frame.snapshot.venue, quality)


def markets(frame: Frame) -> Markets:
    """As the snapshot has them."""
    return Markets(frame.snapshot.seq, frame.snapshot.at, frame.snapshot.markets)


def books(frame: Frame) -> Books:
    """Without our quotes, but with what we have resting on each level."""
    rows = tuple(
        BookRow(
            row.id, row.slug, row.outcomes, row.tick, row.bids, row.asks, row.mid, row.micro, row.imbalance, row.last, row.health
        )
        for row in frame.snapshot.markets
    )  # fmt: skip
    return Books(frame.snapshot.seq, frame.snapshot.at, rows)


def quotes(frame: Frame) -> Quotes:
    """Of every market, also where there are none."""
    rows = tuple(
        QuotedMarket(
            row.id, row.slug, row.state, row.why, row.fair, row.centre, row.half_spread, row.sigma, row.sigma_source, row.quotes
        )
        for row in frame.snapshot.markets
    )  # fmt: skip
    return Quotes(frame.snapshot.seq, frame.snapshot.at, rows)


def orders(frame: Frame) -> Orders:
    """All."""
    return Orders(frame.snapshot.seq, frame.snapshot.at, frame.snapshot.orders)


def fills(frame: Frame) -> Fills:
    """At most fifty."""
    return Fills(frame.snapshot.seq, frame.snapshot.at, frame.snapshot.fill_count, frame.snapshot.fills)


def positions(frame: Frame) -> Positions:
    """Of every market that is shown, also where nothing is held."""
    rows = tuple(
        Position(row.id, row.slug, row.outcomes, row.yes, row.no, row.cost, row.realised, row.unrealised, row.payout_yes)
        for row in frame.snapshot.markets
    )
    return Positions(frame.snapshot.seq, frame.snapshot.at, rows)


def risk(frame: Frame) -> Risk:
    """All that holds, or may."""
    now = frame.snapshot
    held = tuple(HeldQuote(row.id, row.slug, quote) for row in now.markets for quote in row.quotes if quote.held)
    return Risk(now.seq, now.at, now.phase, now.why, now.risk, now.kill, held, now.rejects, now.orders_sent)


def pnl(frame: Frame) -> Pnl:
    """Of the whole desk."""
    now = frame.snapshot
    return Pnl(now.seq, now.at, now.money, now.gas, now.fill_count, now.equity_curve)


def encode(reply: Struct) -> bytes:
    """As JSON: NaN and infinity become null."""
    return msgspec.json.encode(reply)
