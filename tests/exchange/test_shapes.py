"""The public endpoints that need no book, and the refusals, as the venue spells them."""

from random import Random

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.auth import Keys
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.polymarket import Polymarket
from pmm_tui.exchange.terms import Ask

AT = Nanos(1_782_753_357 * SECOND)


def venue() -> Polymarket:
    return Polymarket(Matching(Random(1)), Keys())


def test_time_is_a_bare_integer_and_the_version_is_two() -> None:
    assert venue().answer(Ask("GET", "/time"), AT).body == b"1782753357"
    assert venue().answer(Ask("GET", "/version"), AT).body == b'{"version":2}'


def test_unknown_tokens_and_missing_keys_are_refused_in_the_venues_words() -> None:
    gone = venue().answer(Ask("GET", "/book", "token_id=123"), AT)
    assert (gone.status, gone.body) == (404, b'{"error":"No orderbook exists for the requested token id"}')
    closed = venue().answer(Ask("POST", "/order"), AT)
    assert (closed.status, closed.body) == (401, b'{"error":"Unauthorized/Invalid api key"}')


def test_ping_is_answered_with_pong_text() -> None:
    one = venue()
    session = one.open("market")
    one.hear("market", session, "PING", AT)
    assert [(number, frame.raw) for number, frame in one.frames(AT)] == [(session, "PONG")]
