"""Fees, rebates and rewards against the published tables and the independently computed values."""

import pytest

from pmm_tui.core.fees import flat_fee, level_score, maker_fee, rebate, reward_part, reward_score, reward_sides, taker_fee
from pmm_tui.core.market import Fees, Rewards
from pmm_tui.core.units import ONE, SHARE, Cash, Price, Size, cash_of, price_of, size_of

HUNDRED = Size(100 * SHARE)
REWARDS = Rewards(max_spread_cents=3.0, min_size=Size(20 * SHARE), daily_usd=100.0)


def sh(count: float) -> Size:
    return Size(round(count * SHARE))


class TestTakerFee:
    @pytest.mark.parametrize(
        ("price", "fee"),
        [("0.01", "0.07128"), ("0.1", "0.648"), ("0.3", "1.512"), ("0.5", "1.8"), ("0.7", "1.512"), ("0.99", "0.07128")],
    )
    def test_math_m18_crypto(self, price: str, fee: str) -> None:
        assert taker_fee(Fees(0.072), price_of(price), HUNDRED) == cash_of(fee)

    @pytest.mark.parametrize(
        ("rate", "price", "fee"),
        [
            (0.07, "0.5", "1.75"),
            (0.07, "0.3", "1.47"),
            (0.07, "0.9", "0.63"),
            (0.07, "0.97", "0.2037"),
            (0.07, "0.01", "0.0693"),
            (0.05, "0.5", "1.25"),
            (0.04, "0.5", "1"),
            (0.0, "0.5", "0"),
        ],
    )
    def test_the_venues_own_table(self, rate: float, price: str, fee: str) -> None:
        assert taker_fee(Fees(rate), price_of(price), HUNDRED) == cash_of(fee)

    def test_below_the_smallest_step_nothing_is_charged(self) -> None:
        assert taker_fee(Fees(0.04), Price(5_000), size_of("0.0002")) == 0
        assert taker_fee(Fees(0.04), Price(5_000), size_of("0.0009")) == 0  # 0.000009: rounded it would be a step
        assert taker_fee(Fees(0.04), Price(5_000), size_of("0.001")) == 10

    def test_five_decimals_half_up(self) -> None:
        assert taker_fee(Fees(0.04), Price(5_000), size_of("0.0015")) == 20  # 0.000015 exactly
        assert taker_fee(Fees(0.04), Price(5_000), size_of("0.00149")) == 10

    def test_a_token_and_its_complement_pay_the_same(self) -> None:
        for price in range(100, ONE, 700):
            assert taker_fee(Fees(0.07), Price(price), HUNDRED) == taker_fee(Fees(0.07), Price(ONE - price), HUNDRED)

    def test_other_exponents(self) -> None:
        assert taker_fee(Fees(0.25, 2.0), Price(5_000), HUNDRED) == cash_of("1.5625")
        assert taker_fee(Fees(0.25, 1.5), Price(5_000), HUNDRED) == cash_of("3.125")

    def test_nothing_bought_costs_nothing(self) -> None:
        assert taker_fee(Fees(0.07), Price(5_000), Size(0)) == 0


class TestMakers:
    def test_makers_pay_nothing_on_the_venues_curve(self) -> None:
        assert maker_fee(Fees(0.07), Price(5_000), HUNDRED) == 0

    def test_flat_fee_of_both_signs(self) -> None:
        assert flat_fee(-20, Price(5_000), HUNDRED) == Cash(-100_000)
        assert flat_fee(30, Price(5_000), HUNDRED) == Cash(150_000)
        assert flat_fee(0, Price(5_000), HUNDRED) == 0

    def test_sole_makers_rebate(self) -> None:
        assert rebate(Fees(0.07, rebate_share=0.2), Price(5_000), Size(1_000 * SHARE)) == cash_of("3.5")
        assert rebate(Fees(0.07), Price(5_000), HUNDRED) == 0


class TestRewards:
    """math.md M17: v = 3 cents; bids 100 at 1c and 200 at 2c with a mirrored ask 100 at 1c; asks 150 at 1.5c and 60 at 0.5c."""

    bids = ((Price(4_900), sh(100)), (Price(4_800), sh(200)), (Price(4_900), sh(100)))
    asks = ((Price(5_150), sh(150)), (Price(5_050), sh(60)))

    def test_both_sides(self) -> None:
        one, two = reward_sides(REWARDS, 0.5, self.bids, self.asks)
        assert one == pytest.approx(111.1111111, abs=1e-7)
        assert two == pytest.approx(79.16666667, abs=1e-7)
        assert reward_score(REWARDS, 0.5, self.bids, self.asks) == pytest.approx(79.16666667, abs=1e-7)

    def test_one_sided_is_worth_a_third(self) -> None:
        assert reward_score(REWARDS, 0.5, self.bids, ()) == pytest.approx(37.03703704, abs=1e-7)

    def test_one_sided_is_worth_nothing_near_the_ends(self) -> None:
        high = tuple((Price(price + 4_500), size) for price, size in self.bids)
        assert reward_score(REWARDS, 0.95, high, ()) == 0

    def test_at_the_maximum_spread_nothing(self) -> None:
        assert level_score(REWARDS, 3.0, sh(100)) == 0
        assert level_score(REWARDS, -0.1, sh(100)) == 0

    def test_small_orders_and_markets_without_rewards_do_not_score(self) -> None:
        assert level_score(REWARDS, 1.0, sh(19)) == 0
        assert level_score(Rewards(), 1.0, sh(100)) == 0

    def test_part_of_a_sample(self) -> None:
        assert reward_part(79.16666667, 500) == pytest.approx(0.1366906475, abs=1e-9)
        assert reward_part(0, 0) == 0
