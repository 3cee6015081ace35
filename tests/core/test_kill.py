"""The kill switch: what trips it, what it counts from, and what it does when the equity cannot be known."""

import pytest
from msgspec.structs import replace

from pmm_tui.core.events import OrderFilled
from pmm_tui.core.risk.kill import Kill, KillKnobs, drawdown, found, halts_at, reset, trip, watch
from pmm_tui.core.units import DOLLAR, Cash, Nanos
from tests.core.desk import Bench, at, book, knobs, places

SECOND = 1_000_000_000


def dollars(amount: float) -> Cash:
    return Cash(round(amount * DOLLAR))


def switch(equity: float = 500.0) -> Kill:
    return Kill(start=dollars(equity), peak=dollars(equity))


@pytest.mark.parametrize(
    ("reference", "equity", "said"),
    [("start", 451.0, ""), ("start", 425.0, "alert"), ("start", 375.0, "drawdown"), ("peak", 511.0, "alert"), ("peak", 451.0, "drawdown")],
)
def test_drawdown_counts_from_its_reference(reference: str, equity: float, said: str) -> None:
    settings = KillKnobs(kill_switch_reference="start" if reference == "start" else "peak")
    subject = switch()
    assert watch(subject, dollars(602.0), Nanos(1), settings) == ""
    answer = watch(subject, dollars(equity), Nanos(2), settings)
    assert answer.startswith(said) if said else answer == ""


def test_an_alert_is_said_once_and_recovers_with_a_margin() -> None:
    settings, subject = KillKnobs(), switch()
    said = [watch(subject, dollars(equity), Nanos(1), settings) for equity in (424, 420, 428, 441, 424)]
    assert said == ["alert", "", "", "recovered", "alert"]


def test_the_worst_drawdown_is_kept() -> None:
    settings, subject = KillKnobs(), switch()
    for equity in (500, 450, 490):
        watch(subject, dollars(equity), Nanos(1), settings)
    assert subject.max_drawdown == 50 * DOLLAR
    assert drawdown(subject, dollars(490), settings) == (10 * DOLLAR, 2.0)


def test_shares_that_are_found_move_the_reference_and_not_the_percentage() -> None:
    settings, subject = KillKnobs(kill_switch_max_drawdown_pct=20.0), switch(25)
    assert watch(subject, dollars(30), Nanos(1), settings) == ""
    found(subject, dollars(1_000))
    assert drawdown(subject, dollars(1_027), settings) == (dollars(3), 10.0), "a drawdown of before is not forgotten"
    assert watch(subject, dollars(1_024), Nanos(2), settings).startswith("drawdown 20.00 %")
    trip(subject, "drawdown", Nanos(3))
    reset(subject, dollars(1_020))
    assert drawdown(subject, dollars(1_018), settings) == (dollars(2), 10.0), "$25 were given, $5 are lost: $20 are left to lose from"


@pytest.mark.parametrize(
    ("kill", "reference", "pct", "level"),
    [
        (switch(), "start", 25.0, 375.0),
        (Kill(start=dollars(500), peak=dollars(523.4)), "peak", 25.0, 392.55),
        (Kill(start=dollars(500), peak=dollars(500), given=dollars(200)), "start", 20.0, 460.0),
        (Kill(start=dollars(500), peak=dollars(510), given=dollars(200)), "peak", 20.0, 468.0),
        (Kill(start=dollars(33.333333), peak=dollars(33.333333), given=dollars(33.333333)), "peak", 7.7, 30.766666),
    ],
)
def test_it_halts_at_the_level_it_tells_and_not_above(kill: Kill, reference: str, pct: float, level: float) -> None:
    settings = KillKnobs(kill_switch_reference="start" if reference == "start" else "peak", kill_switch_max_drawdown_pct=pct)
    told = halts_at(kill, settings)
    assert told == dollars(level)
    assert watch(replace(kill), Cash(told + 1), Nanos(1), settings) in {"", "alert"}
    assert watch(replace(kill), told, Nanos(1), settings).startswith("drawdown")


def test_after_a_reset_the_level_counts_from_what_is_left() -> None:
    settings, subject = KillKnobs(kill_switch_max_drawdown_pct=20.0), switch(500)
    trip(subject, watch(subject, dollars(390), Nanos(1), settings), Nanos(2))
    reset(subject, dollars(390))
    assert halts_at(subject, settings) == dollars(312)


def test_an_unknown_equity_halts_after_its_time() -> None:
    settings, subject = KillKnobs(pnl_blind_s=10.0), switch()
    assert watch(subject, None, Nanos(1), settings) == ""
    assert watch(subject, None, Nanos(1 + 9 * SECOND), settings) == ""
    assert "could not be computed" in watch(subject, None, Nanos(1 + 10 * SECOND), settings)


def test_a_known_equity_ends_the_blindness() -> None:
    settings, subject = KillKnobs(pnl_blind_s=10.0), switch()
    watch(subject, None, Nanos(1), settings)
    watch(subject, dollars(500), Nanos(2), settings)
    assert watch(subject, None, Nanos(1 + 10 * SECOND), settings) == ""


def test_nothing_trips_twice_and_a_reset_counts_from_now() -> None:
    settings, subject = KillKnobs(), switch()
    trip(subject, "test", Nanos(5))
    assert watch(subject, dollars(1), Nanos(6), settings) == ""
    subject.phase = "killed"
    reset(subject, dollars(300))
    assert (subject.phase, subject.why, subject.killed_at) == ("ok", "", 0)
    assert watch(subject, dollars(300), Nanos(7), settings) == ""
    assert watch(subject, dollars(200), Nanos(8), settings).startswith("drawdown")


def test_a_wiped_out_reference_is_a_full_drawdown() -> None:
    assert drawdown(Kill(), Cash(-1), KillKnobs())[1] == 100.0
    assert drawdown(Kill(), Cash(0), KillKnobs())[1] == 0.0


def losing(fill_cents: int) -> Bench:
    """A desk that holds shares whose price has fallen."""
    bench = Bench(knobs(initial_balance=100.0, default_order_size=100.0, max_balance_fraction_per_order=1.0, complement_routing=True))
    sent = places(bench.tell(book(100, "49x500 | 51x500")))
    bench.accept(sent, 200)
    bid = next(order for order in sent if order.token == "yes")
    bench.tell(OrderFilled(at(300), bid.order, "t1", bid.price, bid.size))
    bench.tell(book(400, f"{fill_cents - 1}x500 | {fill_cents + 1}x500"))
    return bench


def test_the_desk_alerts_and_then_kills_itself_on_drawdown() -> None:
    bench = losing(33)
    bench.tick(600)
    assert bench.engine.snapshot().phase == "alert"
    bench.tell(book(700, "15x500 | 17x500"))
    bench.tick(900)
    snapshot = bench.engine.snapshot()
    assert snapshot.phase in ("killing", "killed")
    assert "drawdown" in snapshot.why
    assert not places(bench.tell(book(1_000, "40x500 | 42x500")) + bench.tick(3_000))


def test_a_one_sided_book_is_marked_at_what_selling_would_bring() -> None:
    bench = losing(49)
    state = bench.engine.state
    market = next(iter(state.markets.values()))
    shares = state.portfolio.shares("yes")
    bench.tell(book(700, "40x500 |"))
    assert state.value(market) == shares * 40 // 100
    bench.tell(book(800, "| 60x500"))
    assert state.value(market) == 0
