"""The demo's tape again and again: the same markets and results in every round, each under ids of its own, in one order of time."""

import itertools
from pathlib import Path

import pytest

from pmm_tui.core.events import BookReset, MarketListed, MarketResolved
from pmm_tui.core.units import SECOND
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.recorded import facts
from pmm_tui.record.repeated import ROUND_S, lengthen
from pmm_tui.record.slices import TAPE
from pmm_tui.record.tape import read_tape


def test_every_round_has_the_same_markets_books_and_results_under_ids_of_its_own(tmp_path: Path) -> None:
    lengthen(TAPE, tmp_path / "long.zst", 2.5 * ROUND_S)
    decoder = Decoder()
    once, told = list(facts(read_tape(TAPE), Decoder())), list(facts(read_tape(tmp_path / "long.zst"), decoder))
    assert len(told) == 3 * len(once) and not decoder.malformed and not decoder.ignored
    assert [fact.at for fact in told] == sorted(fact.at for fact in told)
    listed = {fact.market.id: fact.market for fact in told if isinstance(fact, MarketListed)}
    assert len(listed) == len({one.slug for one in listed.values()}) == len({one.yes for one in listed.values()}) == 27
    opens = sorted(one.opens for one in listed.values())
    assert {after - before for before, after in itertools.pairwise(opens)} == {900 * SECOND}, "one window after the other"
    paid = [fact.payout_yes for fact in told if isinstance(fact, MarketResolved)]
    assert paid == 3 * [fact.payout_yes for fact in once if isinstance(fact, MarketResolved)]
    books = [[(fact.bids, fact.asks) for fact in all_ if isinstance(fact, BookReset)] for all_ in (once, told)]
    assert len(books[1]) == 3 * len(books[0]) and {*books[1]} == {*books[0]}
    with pytest.raises(FileExistsError):
        lengthen(TAPE, tmp_path / "long.zst", 1)
