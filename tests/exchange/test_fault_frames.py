"""Faults on frames and on the exchange itself, their times, their shares and their chance."""

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pmm_tui.core.units import MILLI, SECOND, Nanos
from pmm_tui.exchange import fault_asks, fault_frames
from pmm_tui.exchange.fault_script import BY_NAME, KINDS, parse
from pmm_tui.exchange.faults import CUT, NEVER, Faults, Verdict
from pmm_tui.exchange.terms import Ask
from tests.exchange.fault_scene import (
    BEAT,
    BOOK,
    CANCEL,
    EVERY,
    POST,
    PRICE_CHANGE,
    START,
    TRADE,
    ask,
    bent,
    conduct,
    faults,
    frame,
    later,
    order,
    verdict,
)

# --- frames -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "channel"), [("market_freeze", "market"), ("user_mute", "user"), ("drop_frames", "rtds")])
def test_causes_F01_F04_F52_frames_that_never_leave(what: str, channel: str) -> None:
    assert bent(what, frame(channel=channel)) == []
    if what != "drop_frames":
        other = frame(channel="rtds")
        assert bent(what, other) == [other]


def test_causes_F05_F06_frames_twice_late_and_out_of_order() -> None:
    one = frame()
    assert [copy.raw for copy in bent("duplicate_frames", one)] == [PRICE_CHANGE] * 2
    assert len(bent("duplicate_frames", one, copies=50)) == 51
    assert [copy.at - START for copy in bent("late_frames", one, ms=2_000)] == [2 * SECOND]
    shuffled = faults({"what": "reorder_frames", "ms": 35})
    sent = [frame(str(number), at=Nanos(START + number * MILLI)) for number in range(200)]
    left = [copy for one in sent for copy in shuffled.bend(one, one.at)]
    assert all(0 <= after.at - before.at <= 35 * MILLI for before, after in zip(sent, left, strict=True))
    order_ = [int(copy.raw) for copy in sorted(left, key=lambda copy: copy.at)]
    assert order_ != sorted(order_)
    assert max(abs(place - number) for place, number in enumerate(order_)) <= 36


def test_causes_F08_a_wrong_hash_and_nothing_else() -> None:
    (broken,) = bent("wrong_hash", frame())
    assert broken.raw == PRICE_CHANGE.replace("a" * 40, "b" + "a" * 39)


def test_an_object_or_an_array() -> None:
    assert [one.raw for one in bent("array_frames", frame())] == [f"[{PRICE_CHANGE}]"]
    assert [one.raw for one in bent("array_frames", frame("[]"))] == ["[]"]


def test_causes_F19_a_reference_price_that_is_off() -> None:
    update = '{"topic":"crypto_prices","payload":{"symbol":"btcusdt","value":64000.5}}'
    assert [one.raw for one in bent("reference_outlier", frame(update, "rtds"), percent=10)] == [update.replace("64000.5", "70400.55")]


def test_causes_F19_one_source_alone_and_both_spellings_of_its_price() -> None:
    spot = '{"topic":"crypto_prices","payload":{"full_accuracy_value":"60000.00000000","symbol":"btcusdt","value":60000.0}}'
    exact = '{"topic":"crypto_prices_chainlink","payload":{"full_accuracy_value":"60000000000000000000000","value":60000.0}}'
    told = [structs.replace(frame(spot, "rtds"), key="crypto_prices"), structs.replace(frame(exact, "rtds"), key="crypto_prices_chainlink")]
    (off,) = bent("reference_outlier", told[0], topic="crypto_prices")
    assert off.raw == spot.replace("60000.00000000", "60420.00000000").replace("60000.0}", "60420}")
    (off,) = bent("reference_outlier", told[1], topic="crypto_prices_chainlink")
    assert off.raw == exact.replace('"60000000000000000000000"', '"60420000000000000000000"').replace("60000.0}", "60420}")
    assert bent("reference_outlier", told[1], topic="crypto_prices") == [told[1]]
    assert bent("drop_frames", told[0], channel="rtds", topic="crypto_prices") == []
    assert bent("drop_frames", told[1], channel="rtds", topic="crypto_prices") == [told[1]]


@pytest.mark.parametrize("text", ["NaN", "1e400", "-1", "٣"])
def test_causes_F12_numbers_that_are_none(text: str) -> None:
    (broken,) = bent("bad_numbers", frame(), text=text)
    (entry,) = msgspec.json.decode(broken.raw)["price_changes"]
    assert (entry["price"], entry["best_bid"], entry["size"]) == (text, text, "3")


def test_causes_F13_a_giant_comes_before_the_true_frame() -> None:
    for form in ("long", "deep", "digits"):
        giant, true = bent("giant_message", frame(), form=form, bytes=100_000)
        assert (len(giant.raw), true) == (100_000, frame())
    with pytest.raises((RecursionError, msgspec.DecodeError)):
        msgspec.json.decode(bent("giant_message", frame(), form="deep")[0].raw)


def test_causes_F15_a_status_nobody_knows() -> None:
    (broken,) = bent("unknown_status", frame(TRADE, "user"), status="PARKED")
    assert broken.raw == TRADE.replace("MATCHED", "PARKED")
    assert bent("unknown_status", frame(TRADE, "user"), event="order") == [frame(TRADE, "user")]


def test_causes_F02_a_connection_broken_in_the_midst_of_a_frame() -> None:
    (half,) = bent("drop_connection", frame(), channel="market")
    assert half.raw.endswith(CUT)
    assert PRICE_CHANGE.startswith(half.raw.removesuffix(CUT))
    assert bent("drop_connection", frame(channel="user"), channel="market") == [frame(channel="user")]
    assert verdict("drop_connection", POST, channel="market") == Verdict()


# --- the exchange itself ------------------------------------------------------------------------------------------------------------------


def test_causes_F45_F46_F74_F76_F78_what_the_exchange_itself_shall_do() -> None:
    acting = faults(
        {"what": "tick_change", "at": 20, "market": "0xm", "tick": 0.001},
        {"what": "match_then_fail", "at": 10, "for": 30, "share": 0.35},
        {"what": "retrying", "at": 15, "ms": 60_000},
        {"what": "early_resolution", "at": 50, "market": "0xm", "payout_yes": 0, "told": False},
        {"what": "clear_book", "at": 45},
    )
    assert acting.due() == later(10)
    assert acting.due_acts(later(9)) == []
    assert acting.due_acts(later(20)) == [
        ("match_then_fail", {"on": True, "share": 0.35}),
        ("retrying", {"on": True, "share": 1.0, "ms": 60_000.0}),
        ("tick_change", {"market": "0xm", "tick": "0.001"}),
    ]
    assert acting.due() == later(40)
    assert acting.due_acts(later(99)) == [
        ("match_then_fail", {"on": False, "share": 0.35}),
        ("clear_book", {"market": ""}),
        ("early_resolution", {"market": "0xm", "payout_yes": 0.0, "told": False}),
    ]
    assert (acting.due(), acting.due_acts(NEVER)) == (NEVER, [])


def test_every_fault_is_carried_out_somewhere() -> None:
    """A request's or frame's effect, a question of the exchange, or an act that the exchange is told of: no name is only a word."""
    done = fault_asks.EFFECTS.keys() | fault_frames.EFFECTS.keys() | {"batch_partial"}
    for what, kind in KINDS.items():
        if kind.strikes == "act":
            assert [act[0] for act in faults({"what": what}).due_acts(START)] == [what]
        else:
            assert what in done
    assert done <= KINDS.keys()
    assert set(BY_NAME) <= KINDS.keys()


# --- time, share and chance ---------------------------------------------------------------------------------------------------------------


def test_a_fault_has_a_beginning_an_end_and_a_number_of_times() -> None:
    window = faults({"what": "post_lost", "at": 10, "for": 5, "times": 2})
    struck = [at for at in (9.999, 10, 11, 12, 14, 15) if window.judge(POST, later(at)).hang]
    assert struck == [10, 11]
    for one in (BOOK, CANCEL, BEAT):
        assert faults({"what": "post_lost"}).judge(one, START) == Verdict()


def test_a_request_that_a_fault_is_not_about_does_not_use_up_its_times() -> None:
    leak = faults({"what": "leaked_matched_sum", "times": 1, "balance": 10, "leak": 6})
    small = ask("POST", "/order", order(cost=1_000_000))
    assert leak.judge(small, START) == Verdict()
    assert leak.judge(POST, START).before is not None
    assert leak.judge(POST, START) == Verdict()


def test_a_beginning_drawn_from_a_range_is_in_it() -> None:
    begins = set()
    for seed in range(30):
        drawn = faults({"what": "clear_book", "at": [60, 90]}, seed=seed)
        assert later(60) <= drawn.due() <= later(90)
        begins.add(drawn.due())
    assert len(begins) > 20


def test_times_count_from_the_first_moment_where_no_start_is_given() -> None:
    script = parse([{"at": 10, "what": "disabled"}])
    unbound = Faults(script, Random(1))
    assert [unbound.judge(POST, later(at)).before is not None for at in (500, 509, 510)] == [False, False, True]
    with pytest.raises(ValueError, match="chance"):
        Faults(script)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(EVERY), st.floats(0, 100)), max_size=30))
def test_without_a_script_nothing_changes(asked: list[tuple[Ask, float]]) -> None:
    chance = Random(9)
    none = Faults(parse([]), chance)
    for request, at in asked:
        assert none.judge(request, later(at)) == Verdict()
        one = frame(at=later(at))
        assert none.bend(one, one.at) == [one]
        assert (none.refuse_leg(later(at)), none.due_acts(later(at)), none.due()) == ("", [], NEVER)
    assert chance.getstate() == Random(9).getstate()
    assert Faults().judge(POST, START) == Verdict()


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.5, 6, 30]))
def test_the_same_seed_is_the_same_conduct(seed: int, rate: float) -> None:
    small = [name for name in KINDS if name != "giant_message"]
    script = parse([{"seed": seed, "rate": rate, "until": 600, "only": small}])
    assert script.seed == seed
    first, second = (Faults(script, Random(script.seed), START) for _ in range(2))
    assert conduct(first) == conduct(second)
    assert first.struck == second.struck


def test_a_random_script_draws_about_what_it_says_and_nothing_fatal_unasked() -> None:
    wild = parse({"seed": 3, "rate": 6, "until": 3_600})
    assert not set(wild.wild[0].only) & set(BY_NAME)
    drawn = Faults(wild, Random(3), START)
    conduct(drawn)
    assert len(drawn.struck) > 15
    another = Faults(wild, Random(4), START)
    assert conduct(another) != conduct(Faults(wild, Random(3), START))
