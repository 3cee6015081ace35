"""What makers earn by the accrued samples, day by day, and how the venue tells it."""

import pytest

from pmm_tui.core.units import SECOND, SHARE, Size
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.terms import Order
from tests.exchange.venue_scene import MARKET, OTHER, START, VenueScene, error

ME = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"
TODAY, TOMORROW = "2026-06-29", "2026-06-30"


def sampled(minutes: int = 10) -> VenueScene:
    """A market that pays $144 a day, $0.1 a minute; the crowd and I quote the same sizes at the same prices on both sides."""
    scene = VenueScene(rules=Rules(reward_sample_s=60))
    scene.show(48, 52, 100)
    scene.rest(cents=48, shares=100)
    scene.ask("POST", "/order", sell(scene), signed=True)
    scene.wait(60 * minutes)
    return scene


def sell(scene: VenueScene) -> object:
    scene.matching.give(ME, MARKET.yes, Size(100 * SHARE))
    return scene.body(cents=52, shares=100, side="SELL")


def test_a_day_has_its_minutes_parts_of_the_pool() -> None:
    scene = sampled()
    page = scene.get("/rewards/user", signed=True, date=TODAY, signature_type=0)
    assert list(page) == ["limit", "next_cursor", "count", "data"] and (page["limit"], page["next_cursor"]) == (100, "LTE=")
    (row,) = page["data"]
    assert list(row) == ["date", "condition_id", "asset_address", "maker_address", "earnings", "asset_rate"]
    assert (row["date"], row["condition_id"], row["maker_address"]) == (f"{TODAY}T00:00:00Z", MARKET.id, ME)
    assert row["earnings"] == pytest.approx(10 * 0.1 / 2)  # half of ten minutes
    (total,) = scene.get("/rewards/user/total", signed=True, date=TODAY)
    assert list(total) == ["date", "asset_address", "maker_address", "earnings", "asset_rate"] and total["earnings"] == row["earnings"]


def test_a_day_ends_at_midnight() -> None:
    scene = sampled(1)
    midnight = -(-START // (86_400 * SECOND)) * 86_400 * SECOND
    scene.wait((midnight - scene.at) / SECOND + 300)
    days = [scene.get("/rewards/user/total", signed=True, date=day) for day in (TODAY, TOMORROW, "2026-07-01")]
    assert days[0][0]["earnings"] > days[1][0]["earnings"] > 0 and days[2] == []
    assert scene.get("/rewards/user/total", signed=True) == days[1]  # today, where no day is named


def test_the_percentages_are_those_of_the_newest_sample() -> None:
    scene = sampled(1)
    assert scene.get("/rewards/user/percentages", signed=True) == {MARKET.id: 50}
    scene.matching.cancel_where("crowd", scene.at)
    scene.show(48, 52, 60)
    scene.wait(60)
    assert scene.get("/rewards/user/percentages", signed=True)[MARKET.id] == pytest.approx(62.5)


def test_the_markets_of_a_maker_have_their_terms_and_its_part() -> None:
    scene = sampled(2)
    (row,) = scene.get("/rewards/user/markets", signed=True, date=TODAY)["data"]
    assert (row["condition_id"], row["earning_percentage"], row["rewards_max_spread"], row["rewards_min_size"]) == (MARKET.id, 50, 4.5, 50)
    assert row["earnings"] == [{"asset_address": "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB", "earnings": 0.1, "asset_rate": 1}]
    assert [token["price"] for token in row["tokens"]] == [0.5, 0.5]
    assert row["rewards_config"][0]["rate_per_day"] == 144


def test_who_scored_nothing_earned_nothing() -> None:
    scene = VenueScene(rules=Rules(reward_sample_s=60))
    scene.show()
    scene.wait(120)
    assert scene.get("/rewards/user", signed=True, date=TODAY)["data"] == scene.get("/rewards/user/total", signed=True, date=TODAY) == []
    assert scene.get("/rewards/user/percentages", signed=True) == {}
    assert error(scene.ask("GET", "/rewards/user", signed=True, date="yesterday")) == (400, "invalid date")


def test_what_markets_offer_is_public() -> None:
    scene = VenueScene()
    (row,) = scene.get("/rewards/markets/current")["data"]
    assert (row["condition_id"], row["rewards_config"][0]["rate_per_day"], row["total_daily_rate"]) == (MARKET.id, 144, 144)
    (market,) = scene.get(f"/rewards/markets/{MARKET.id}")["data"]
    assert (market["question"], market["rewards_max_spread"]) == (MARKET.question, 4.5)
    assert scene.get(f"/rewards/markets/{OTHER.id}")["data"] == []


def test_rebates_name_the_day_and_the_maker() -> None:
    scene = VenueScene()
    scene.rest(cents=48, shares=100)
    buyer = "0xbuyer"
    scene.matching.give(buyer, MARKET.yes, Size(100 * SHARE))
    mine = next(iter(scene.matching.orders.values()))
    sold = Order("0xs", buyer, "", MARKET.id, MARKET.yes, mine.side.other, mine.price, mine.size, mine.lasts, False, scene.at)
    assert not scene.matching.place(sold, scene.at).error
    scene.wait(30)
    (row,) = scene.get("/rebates/current", maker_address=ME.upper().replace("0X", "0x"), date=TODAY)
    assert list(row) == ["date", "asset_address", "maker_address", "condition_id", "rebated_fees_usdc"]
    assert (row["date"], row["maker_address"]) == (TODAY, ME) and float(row["rebated_fees_usdc"]) == pytest.approx(0.34944, abs=1e-5)
    assert scene.get("/rebates/current", maker_address=buyer) == []
