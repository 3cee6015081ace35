"""Token buckets, the reserve for cancels, and how the order rate gives way and comes back; refusals as codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmm_tui.core.units import MILLI, SECOND, Nanos
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.limits import Bucket, Limits
from pmm_tui.venues.clob.rejects import is_gone, reject_of


def at(seconds: float) -> Nanos:
    return Nanos(1_000 * SECOND + round(seconds * SECOND))


class TestBucket:
    def test_a_burst_and_then_the_rate(self) -> None:
        bucket = Bucket(40, 60)
        assert sum(bucket.take(1, at(0)) == 0 for _ in range(100)) == 60
        assert bucket.take(1, at(0)) == pytest.approx(0.025)
        assert sum(bucket.take(1, at(0.5)) == 0 for _ in range(100)) == 20

    def test_all_or_nothing(self) -> None:
        bucket = Bucket(10, 20)
        bucket.take(15, at(0))
        assert bucket.take(15, at(0)) == pytest.approx(1.0)
        assert bucket.take(5, at(0)) == 0.0

    def test_what_is_more_than_a_burst_waits_for_a_full_bucket(self) -> None:
        bucket = Bucket(10, 20)
        assert bucket.take(50, at(0)) == 0.0 and bucket.level == -30
        assert bucket.take(1, at(0)) == pytest.approx(3.1)

    @given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(1, 30)), max_size=60))
    def test_never_more_than_the_burst_and_the_rate_allow(self, asks: list[tuple[int, int]]) -> None:
        bucket, now, taken = Bucket(40, 60), 0, 0
        for gap_ms, count in asks:
            now += gap_ms
            if bucket.take(count, at(now / 1_000)) == 0.0:
                taken += count
            assert taken <= 60 + 40 * now / 1_000 + 1e-6
            assert bucket.level >= 0

    def test_a_clock_that_stands_or_goes_back_gives_nothing(self) -> None:
        bucket = Bucket(10, 10)
        bucket.take(10, at(5))
        assert bucket.take(1, at(4)) > 0


class TestLimits:
    def test_layer_two_is_the_tiers(self) -> None:
        limits = Limits(ClobKnobs())
        assert sum(15 for _ in range(10) if limits.post(15, at(0)) == 0) == 60
        assert sum(1 for _ in range(300) if limits.cancel(1, at(0)) == 0) == 90

    def test_the_reserve_is_for_what_is_urgent(self) -> None:
        limits = Limits(ClobKnobs())
        while limits.cancel(1, at(0)) == 0:
            pass
        assert limits.urgent(30, at(0)) == 0 and limits.cancels.level == 0

    @pytest.mark.fault("F24")
    def test_orders_never_take_from_cancels(self) -> None:
        limits = Limits(ClobKnobs())
        while limits.post(1, at(0)) == 0:
            pass
        assert limits.cancel(50, at(0)) == 0

    def test_layer_one_counts_every_request(self) -> None:
        limits = Limits(ClobKnobs(clob_requests_per_s=5))
        assert sum(limits.read(at(0)) == 0 for _ in range(50)) == 10
        assert limits.post(1, at(0)) > 0 and limits.cancel(1, at(0)) > 0

    def test_a_429_is_waited_for_and_halves_the_rate(self) -> None:
        limits = Limits(ClobKnobs())
        limits.limited("orders", 3, at(0))
        assert limits.post(1, at(1)) == pytest.approx(2) and limits.post(1, at(3)) == 0
        assert limits.orders.rate == 20

    def test_the_rate_comes_back_by_one_in_ten_calm_seconds(self) -> None:
        limits = Limits(ClobKnobs())
        limits.limited("orders", 0, at(0))
        for seconds, rate in ((9, 20), (10, 21), (55, 25), (1_000, 40)):
            limits.post(1, at(seconds))
            assert limits.orders.rate == rate

    def test_the_rate_never_reaches_nothing(self) -> None:
        limits = Limits(ClobKnobs())
        for _ in range(20):
            limits.limited("orders", 0, at(0))
        assert limits.orders.rate == 1

    def test_F24_latency_is_the_first_sign(self) -> None:
        limits = Limits(ClobKnobs())
        for number in range(200):
            limits.answered(Nanos(50 * MILLI), at(number))
        assert limits.orders.rate == 40 and limits.p95() == limits.middle() == 50 * MILLI
        for number in range(6):
            limits.answered(Nanos(900 * MILLI), at(200 + number))
        assert limits.orders.rate == 20 and limits.slowed == 1

    def test_before_the_first_answer_nothing_is_known_of_their_latency(self) -> None:
        assert Limits(ClobKnobs()).middle() is None

    def test_one_slow_answer_in_a_hundred_is_no_sign(self) -> None:
        limits = Limits(ClobKnobs())
        for number in range(500):
            limits.answered(Nanos((2_000 if number % 100 == 50 else 50) * MILLI), at(number))
        assert limits.orders.rate == 40


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("invalid post-only order: order crosses book", "post_only"),
        ("order 0x1 crosses the book", "post_only"),
        ("not enough balance / allowance: the balance is not enough -> balance: 93308118", "balance"),
        ("order 0x1 is invalid. Price (0.495) breaks minimum tick size rule: 0.01", "tick"),
        ("order 0x1 is invalid. Size (4) lower than the minimum: 5", "size"),
        ("invalid amounts, the buy orders maker amount supports a max accuracy of 4 decimals", "size"),
        ("order 0x1 is invalid. Duplicated.", "duplicate"),
        ("'0x1' address in closed only mode", "closed"),
        ("the market is not yet ready to process new orders", "closed"),
        ("Trading is currently cancel-only. New orders are not accepted, but cancels are allowed.", "closed"),
        ("Too Many Requests", "limit"),
        ("order couldn't be fully filled. FOK orders are fully filled or killed.", "other"),
        ("invalid signature", "other"),
        ("", "other"),
    ],
)
def test_F35_refusals_have_codes(text: str, code: str) -> None:
    assert reject_of(text).code == code
    assert reject_of(text).refresh == (code == "balance")


@pytest.mark.parametrize(
    "reason", ["Order not found or already canceled", "Order already matched", "already canceled or matched", "order already matched"]
)
def test_F32_reasons_that_prove_nothing(reason: str) -> None:
    assert is_gone(reason)
    assert not is_gone("the order is delayed") and not is_gone("")
