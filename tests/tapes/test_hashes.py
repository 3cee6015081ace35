"""The venue's book hashes on real recordings: recomputed for every frame that carries one, at the rates that the recordings state."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from pmm_tui.core.book import Book
from pmm_tui.core.events import BookChanged, BookReset, Event, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.signals.checksum import book_hash, last_text
from pmm_tui.core.signals.integrity import Integrity, IntegrityKnobs
from pmm_tui.core.units import MILLI, SECOND, SHARE, Nanos, Price, Size, mirror
from pmm_tui.feeds.wire import Decoder

TICK = 100 * MILLI
"""How often the desk looks: it judges on its own clock, not on the frames'."""


def market_of(condition: str, yes: str, no: str) -> Market:
    return Market(id=condition, slug="", question="", yes=yes, no=no, tick=Price(100), min_size=Size(5 * SHARE))


def dense_frames(recordings: Path) -> list[str]:
    """The raw payloads, cut out of the recorder's lines untouched."""
    path = recordings / "polymarket-ws" / "btc-5m-dense-head.jsonl"
    if not path.is_file():
        pytest.skip(f"recordings not here: {path.name}")
    with path.open() as lines:
        return [line.rstrip("\n").split('"payload":', 1)[1][:-1] for line in lines]


def markets_in(frames: list[str]) -> dict[str, Market]:
    """Every market whose pair a price_change names. Which token is YES is not said: the first one is as good."""
    found: dict[str, Market] = {}
    for raw in frames:
        message = json.loads(raw)
        for item in message if isinstance(message, list) else [message]:
            tokens = [entry["asset_id"] for entry in item.get("price_changes", [])]
            if len(tokens) == 2:
                found.setdefault(item["market"], market_of(item["market"], *tokens))
    return found


def arriving(frames: list[str], markets: dict[str, Market]) -> list[Event]:
    """Facts in file order. The recorder kept whole seconds, so a frame arrives when the newest venue time before it was reached."""
    decoder = Decoder()
    for market in markets.values():
        decoder.know(market)
    now = 0
    facts: list[Event] = []
    for raw in frames:
        for fact in decoder.decode(raw, Nanos(0)):
            assert isinstance(fact, BookReset | BookChanged | Traded)
            now = max(now, fact.ts)
            facts.append(replace(fact, at=Nanos(now)))
    assert decoder.malformed == 0
    return facts


@pytest.fixture(scope="module")
def dense(recordings: Path) -> tuple[dict[str, Market], list[Event]]:
    """Every market of the dense tape, and its facts in arrival order."""
    frames = dense_frames(recordings)
    markets = markets_in(frames)
    return markets, arriving(frames, markets)


def judged(markets: dict[str, Market], facts: list[Event], first_look: int = 0, knobs: IntegrityKnobs | None = None) -> list[Integrity]:
    """One judge a market, looking every 100 ms."""
    judges = {condition: Integrity(market, knobs or IntegrityKnobs()) for condition, market in markets.items()}
    look = facts[0].at + first_look
    for fact in facts:
        while fact.at >= look:
            for judge in judges.values():
                judge.judge(Nanos(look))
            look += TICK
        assert isinstance(fact, BookReset | BookChanged | Traded)
        judges[fact.market].frame(fact)
    for judge in judges.values():
        judge.judge(Nanos(facts[-1].at + SECOND))
    return list(judges.values())


def test_the_dense_tape_is_what_it_was(dense: tuple[dict[str, Market], list[Event]]) -> None:
    markets, facts = dense
    assert len(facts) >= 2_600
    assert sum(isinstance(fact, BookReset) for fact in facts) >= 48
    assert len(markets) >= 1


@pytest.mark.parametrize("first_look", range(0, 100, 10))
def test_every_hash_of_the_dense_tape_verifies_on_the_lagging_copy(dense: tuple[dict[str, Market], list[Event]], first_look: int) -> None:
    judges = judged(*dense, first_look * MILLI)
    verified, mismatched, unverifiable = (sum(getattr(j, name) for j in judges) for name in ("verified", "mismatched", "unverifiable"))
    hashes = sum(1 if isinstance(f, BookReset) else 2 for f in dense[1] if isinstance(f, BookReset | BookChanged))
    assert verified + mismatched + unverifiable == hashes
    assert verified / hashes >= 0.99
    assert mismatched / hashes <= 0.005
    assert unverifiable / hashes <= 0.005, "before the first book, and frames later than the window"
    assert max(j.streak for j in judges) == 0


def test_a_window_as_long_as_the_latest_frame_proves_all_of_it(dense: tuple[dict[str, Market], list[Event]]) -> None:
    judges = judged(*dense, knobs=IntegrityKnobs(hash_lag_ms=100))
    assert sum(j.mismatched for j in judges) == 0
    assert sum(j.unverifiable for j in judges) <= 4
    assert sum(j.verified for j in judges) >= 5_100


def test_the_book_as_it_arrives_is_ahead_of_late_frames(dense: tuple[dict[str, Market], list[Event]]) -> None:
    """Last writer by venue time, no delay: what the quotes stand on. A hash fails there while an older frame is on its way, for both."""
    markets, facts = dense
    books = {condition: Book(market.tick) for condition, market in markets.items()}
    guesses = {"0.130", *(last_text(p) for fact in facts if isinstance(fact, Traded) for p in (fact.price, mirror(fact.price)))}
    at_once = said = in_order = 0
    for fact in facts:
        if isinstance(fact, BookReset):
            books[fact.market].reset(fact.bids, fact.asks, fact.ts)
        elif isinstance(fact, BookChanged):
            market, book = markets[fact.market], books[fact.market]
            said, in_order = said + 1, in_order + (fact.ts >= book.ts)
            for side, price, size in fact.changes:
                book.change(side, price, size, fact.ts)
            bids, asks = book.levels(Side.BUY, 10_000)[::-1], book.levels(Side.SELL, 10_000)[::-1]
            at_once += any(book_hash(market, market.yes, fact.ts, bids, asks, market.tick, g) == fact.hash_yes for g in guesses)
    assert 0.75 <= in_order / said <= 0.82
    assert at_once / in_order >= 0.7


def test_the_book_as_it_arrives_ends_where_venue_order_ends(dense: tuple[dict[str, Market], list[Event]]) -> None:
    markets, facts = dense
    for condition, market in markets.items():
        ours = [f for f in facts if isinstance(f, BookReset | BookChanged) and f.market == condition]
        ends = []
        for frames in (ours, sorted(ours, key=lambda f: (f.ts, isinstance(f, BookReset)))):
            book = Book(market.tick)
            for f in frames:
                if isinstance(f, BookReset):
                    book.reset(f.bids, f.asks, f.ts)
                    continue
                for side, price, size in f.changes:
                    book.change(side, price, size, f.ts)
            ends.append((book.levels(Side.BUY, 10_000), book.levels(Side.SELL, 10_000)))
        assert ends[0] == ends[1]


@pytest.mark.parametrize("where", range(300, 2_600, 250))
def test_a_lost_frame_on_the_dense_tape_is_seen(dense: tuple[dict[str, Market], list[Event]], where: int) -> None:
    """Until its level is written again or the next whole book: the mismatches are few, and then the copy is right again."""
    markets, facts = dense
    changes = [(i, fact) for i, fact in enumerate(facts) if isinstance(fact, BookChanged)]
    lasting = (
        i for k, (i, fact) in enumerate(changes) if not any(fact.changes[0][:2] == f.changes[0][:2] for _, f in changes[k + 1 : k + 9])
    )
    lost = next(i for i in lasting if i >= where)
    judges = judged(markets, facts[:lost] + facts[lost + 1 :])
    assert sum(j.mismatched for j in judges) >= 2
    assert sum(j.verified for j in judges) >= 4_000


def session_facts(recordings: Path) -> Iterator[tuple[str, Market, Event]]:
    """(session, market, fact) of every Polymarket frame in the sessions, at the time it was received."""
    for folder in sorted((recordings / "polymarket-sessions").iterdir()):
        markets: dict[str, Market] = {}
        with (folder / "markets.jsonl").open() as lines:
            for line in lines:
                row = json.loads(line)
                markets[row["condition_id"]] = market_of(row["condition_id"], *(outcome["token_id"] for outcome in row["outcomes"]))
        decoder = Decoder()
        for market in markets.values():
            decoder.know(market)
        with (folder / "raw_messages.jsonl").open() as lines:
            rows = [json.loads(line) for line in lines]
        for row in rows:
            if row["source"] == "polymarket_clob":
                raw, at = row["payload"], Nanos(row["recv_mono_ns"])
                for fact in decoder.decode(raw, at) if '"event_type"' in raw else [decoder.rest_book(raw, at)]:
                    assert isinstance(fact, BookReset | BookChanged | Traded)
                    yield folder.name, markets[fact.market], fact
        assert decoder.malformed == 0
        assert set(decoder.ignored) <= {"new_market"}


def test_every_book_of_the_sessions_verifies(recordings: Path) -> None:
    """Each on what it says itself: REST bodies say everything, the market channel's leave out the least size and neg_risk."""
    rest = channel = 0
    for session, market, fact in session_facts(recordings):
        if isinstance(fact, BookReset):
            judge = Integrity(market)
            judge.frame(fact)
            judge.judge(Nanos(fact.at + SECOND))
            assert (judge.verified, judge.mismatched, judge.unverifiable) == (1, 0, 0), (session, fact)
            rest, channel = rest + fact.rest, channel + (not fact.rest)
    assert rest >= 192
    assert channel >= 138


def test_the_changes_of_the_sessions_verify_after_their_books(recordings: Path) -> None:
    """All but those of one millisecond: somebody pulled 38 levels a side at once, and the recorder stopped after four of the frames."""
    judges: dict[tuple[str, str], Integrity] = {}
    said = 0
    for session, market, fact in session_facts(recordings):
        judges.setdefault((session, market.id), Integrity(market)).frame(fact)
        said += 2 if isinstance(fact, BookChanged) else 1
    for judge in judges.values():
        judge.judge(Nanos(2**62))
    assert sum(judge.unverifiable for judge in judges.values()) == 0
    assert sum(judge.mismatched for judge in judges.values()) <= 8
    assert sum(judge.verified for judge in judges.values()) >= said - 8
    assert max(judge.streak for judge in judges.values()) == 0
