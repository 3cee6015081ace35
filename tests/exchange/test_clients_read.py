"""What the exchange says, read by the venue's own SDK: every list, every reward, every event, by its own parsers and models."""

import json
from decimal import Decimal

from polymarket._internal.actions import account, clob, rewards
from polymarket.models.clob.market_events import parse_market_event
from polymarket.models.clob.user_events import parse_user_event
from polymarket.models.rtds_events import parse_rtds_event

from pmm_tui.core.units import ONE, SHARE, Price, Size
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.terms import Lasts, Order
from tests.exchange.venue_scene import MARKET, SELL, Socket, VenueScene

YES = MARKET.yes
ME = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"


def scored() -> VenueScene:
    """Ten minutes in which this account was half of all makers."""
    scene = VenueScene(rules=Rules(reward_sample_s=60))
    scene.show(48, 52, 100)
    scene.matching.give(ME, YES, Size(100 * SHARE))
    scene.rest(cents=48, shares=100)
    scene.rest(cents=52, shares=100, side="SELL")
    scene.wait(600)
    return scene


def test_the_sdk_reads_every_reward() -> None:
    scene = scored()
    (current,) = rewards.parse_current_rewards_page(scene.get("/rewards/markets/current")).items
    assert current.condition_id == MARKET.id and current.total_daily_rate == 144 and current.rewards_min_size == 50
    (market,) = rewards.parse_market_rewards_page(scene.get(f"/rewards/markets/{MARKET.id}")).items
    assert [token.price for token in market.tokens] == [Decimal("0.5"), Decimal("0.5")]
    page = rewards.parse_user_earnings_page(scene.get("/rewards/user", signed=True))
    assert [(one.condition_id, one.earnings) for one in page.items] == [(MARKET.id, Decimal("0.5"))] and not page.has_more
    (total,) = rewards.parse_total_user_earnings(scene.get("/rewards/user/total", signed=True))
    assert total.earnings == Decimal("0.5")
    (earned,) = rewards.parse_user_rewards_earnings_page(scene.get("/rewards/user/markets", signed=True)).items
    assert (earned.earning_percentage, earned.market_slug) == (50, MARKET.slug)
    assert rewards.parse_reward_percentages(scene.get("/rewards/user/percentages", signed=True)) == {MARKET.id: 50}
    name = next(iter(scene.matching.orders))
    assert rewards.parse_order_scoring(scene.get("/order-scoring", signed=True, order_id=name)) is False  # the crowd's, not ours


def test_the_sdk_reads_a_rebate() -> None:
    scene = scored()
    scene.matching.give("0xs", YES, Size(150 * SHARE))
    sold = Order("0x1", "0xs", "", MARKET.id, YES, SELL, Price(4_800), Size(150 * SHARE), Lasts.FAK, False, scene.at)
    scene.matching.place(sold, scene.at)  # a hundred to the crowd, fifty to us
    scene.wait(30)
    (rebate,) = rewards.parse_current_rebates(scene.get("/rebates/current", maker_address=ME))
    assert (rebate.condition_id, rebate.maker_address) == (MARKET.id, ME) and 0 < rebate.rebated_fees_usdc < 1


def test_the_sdk_reads_prices_of_one_and_of_many() -> None:
    scene = scored()
    both = f"{YES},{MARKET.no}"
    prices = clob.parse_prices(scene.get("/prices", token_ids=both))
    assert [*prices.values()] == [{"BUY": Decimal("0.48"), "SELL": Decimal("0.52")}] * 2
    assert clob.parse_price(scene.get("/price", token_id=YES, side="BUY")) == Decimal("0.48")
    assert [*clob.parse_midpoints(scene.get("/midpoints", token_ids=both)).values()] == [Decimal("0.5")] * 2
    assert [*clob.parse_spreads(scene.get("/spreads", token_ids=YES)).values()] == [Decimal("0.04")]
    assert [book.asset_id for book in clob.parse_order_books(scene.get("/books", token_ids=both))] == [YES, MARKET.no]
    assert clob.parse_last_trade_price(scene.get("/last-trade-price", token_id=YES)) is None  # its way of saying: never


def test_the_sdk_walks_the_pages_of_orders_and_trades() -> None:
    scene = scored()
    scene.act(SELL, 48, 130, Lasts.FAK)
    page = account.parse_open_orders_page(scene.get("/data/orders", signed=True))
    assert [order.size_matched for order in page.items] == [30, 0] and page.next_cursor is None
    (trade,) = account.parse_account_trades_page(scene.get("/data/trades", signed=True)).items
    assert trade.trader_side == "MAKER" and trade.maker_orders[-1].matched_amount == 30


def test_the_sdk_reads_every_event_of_the_sockets() -> None:
    scene = VenueScene()
    scene.show()
    market, user, rtds = scene.market_socket(custom=True), scene.user_socket(), Socket(scene, "rtds")
    for topic, symbol in (("crypto_prices", "btcusdt"), ("crypto_prices_chainlink", "btc/usd"), ("crypto_prices_twap_sixty", "btc/usd")):
        wanted = {"topic": topic, "type": "*", "filters": json.dumps({"symbol": symbol}, separators=(",", ":"))}
        rtds.say({"action": "subscribe", "subscriptions": [wanted]})
    scene.rest(cents=49)
    scene.act(SELL, 49, 6, Lasts.FAK)
    scene.wait(20)
    scene.matching.retick(MARKET.id, Price(10), scene.at)
    scene.matching.list_market(type(MARKET)("0x" + "ef" * 32, "another-one", "?", "3", "4", Price(100), Size(5 * SHARE)), scene.at)
    scene.matching.resolve(MARKET.id, ONE, scene.at)
    scene.venue.advance(scene.at)
    read = {parse_market_event(one).type for one in market.heard()}
    told = {"book", "price_change", "last_trade_price", "best_bid_ask", "tick_size_change", "new_market", "market_resolved"}
    assert read == told
    assert {parse_user_event(one).type for one in user.heard()} == {"order", "trade"}
    prices = [parse_rtds_event(one).model_dump()["payload"]["value"] for one in rtds.heard() if one["type"] == "update"]
    assert len(prices) == 60 and all(Decimal(50_000) < price < Decimal(70_000) for price in prices)
