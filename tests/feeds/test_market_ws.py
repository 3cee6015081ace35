"""The market channel over real sockets on loopback: what a venue does to its clients. Numbers in names are those of the fault catalogue."""

import asyncio
import json
from random import Random

import pytest
from msgspec.structs import replace

from pmm_tui.core.events import BookChanged, BookReset, Event, LinkDown, LinkUp
from pmm_tui.core.market import Side
from pmm_tui.core.units import Nanos
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.wire import Decoder
from tests.feeds.listening import FAST, Listener, levels, listening, replayed, said, truth
from tests.feeds.loopback import PATIENCE_S, LoopMarket, half_frame_then_reset, reset, running


async def test_it_subscribes_both_tokens_and_hears_the_dump_and_the_changes() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market) as desk:
        up = await desk.next()
        assert isinstance(up, LinkUp) and up.link == "market"
        await desk.until(BookReset, lambda fact: fact.token == market.no)
        assert loopback.subscriptions == [
            {"assets_ids": [market.yes, market.no], "type": "market", "initial_dump": True, "level": 2, "custom_feature_enabled": True}
        ]
        await loopback.publish(market.change("BUY", "0.49", "31.5"), market)
        changed = await desk.until(BookChanged)
        assert changed.changes == ((Side.BUY, 4900, 31_500_000),) and changed.market == market.id
        assert levels(replayed(desk.seen, market)) == truth(market)


async def test_ping_is_answered_and_neither_reaches_the_desk_nor_the_tape() -> None:
    market, taped = LoopMarket(1), []
    async with running(market) as loopback:
        async with listening(loopback, market, tape=lambda at, channel, raw: taped.append((channel, raw))) as desk:
            await desk.until(BookReset)
            await loopback.until(lambda: loopback.pings >= 3)
            await loopback.publish(market.change("SELL", "0.49", "7"), market)
            await desk.until(BookChanged)
            assert desk.feed._decoder.malformed == 0
        assert [channel for channel, _ in taped] == ["market", "market"]
        assert json.loads(taped[0][1])[0]["event_type"] == "book" and json.loads(taped[1][1])["event_type"] == "price_change"


async def test_F02_half_a_frame_and_a_reset_is_a_new_socket_and_a_new_dump() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback:
        loopback.on_open = [half_frame_then_reset]
        async with listening(loopback, market) as desk:
            down = await desk.next()
            assert isinstance(down, LinkDown) and "connection lost" in down.reason
            assert isinstance(await desk.next(), LinkUp)
            await desk.until(BookReset)
            assert loopback.upgrades == 2 and len(loopback.subscriptions) >= 1


@pytest.mark.parametrize(
    ("status", "headers", "reason"),
    [
        (429, {"Retry-After": "0", "content-type": "text/html"}, "HTTP 429 (too many requests)"),
        (403, {"content-type": "text/html"}, "HTTP 403 (forbidden: this address may be blocked)"),
        (401, {}, "HTTP 401 (not authorised)"),
        (503, {}, "HTTP 503"),
    ],
)
async def test_F03_a_refused_upgrade_says_why_and_is_tried_again(status: int, headers: dict[str, str], reason: str) -> None:
    market = LoopMarket(1)
    async with running(market) as loopback:
        loopback.refuse = [(status, headers, "<html>go away</html>")] * 3
        async with listening(loopback, market) as desk:
            down = await desk.next()
            assert isinstance(down, LinkDown) and reason in down.reason and "html" not in down.reason
            assert isinstance(await desk.next(), LinkUp), "the same reason is told once"
            assert loopback.upgrades == 4


async def test_F03_a_reconnect_storm_is_slowed_down_and_ends() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback:
        loopback.on_open = [reset] * 6
        async with listening(loopback, market, knobs=replace(FAST, ws_stable_s=600)) as desk:
            await desk.until(BookReset)
            shard = desk.feed._shards[0]
            assert loopback.upgrades == 7 and shard._patience.tries == 6, "waiting times grew at each of the six"
            assert sum(isinstance(fact, LinkDown) for fact in desk.seen) == 1


async def test_F13_a_giant_frame_ends_the_socket_with_1009_and_nothing_else() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market) as desk:
        await desk.until(BookReset)
        await loopback.publish('{"market":"' + "x" * 5_000_000 + '"}')
        down = await desk.until(LinkDown)
        assert "1009" in down.reason
        await desk.until(LinkUp)
        await desk.until(BookReset)
        await loopback.publish(market.change("BUY", "0.49", "1"), market)
        await desk.until(BookChanged)


async def test_F12_F15_unreadable_and_unknown_frames_are_counted_and_survived() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market) as desk:
        await desk.until(BookReset)
        for frame in ("<html>", "", "NaN", "[" * 100_000, '{"event_type":'):
            await loopback.publish(frame)
        await loopback.publish({"event_type": "weather", "market": market.id})
        await loopback.publish(market.change("BUY", "0.49", "2"), market)
        await desk.until(BookChanged)
        assert desk.feed._decoder.malformed >= 4 and desk.feed._decoder.ignored["weather"] == 1
        assert loopback.upgrades == 1


async def test_a_frame_of_which_a_part_is_unreadable_still_tells_the_rest() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market) as desk:
        await desk.until(BookReset, lambda fact: fact.token == market.no)
        wrong = market.change("BUY", "0.45", "1") | {"timestamp": "-7"}
        await loopback.publish([wrong, market.change("BUY", "0.49", "3")], market)
        changed = await desk.until(BookChanged)
        assert changed.changes == ((Side.BUY, 4900, 3_000_000),) and desk.feed._decoder.malformed == 1


async def test_F12_a_stream_of_unreadable_frames_ends_the_socket() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market) as desk:
        await desk.until(BookReset)
        for _ in range(FAST.malformed_per_min_max):
            await loopback.publish("<html>")
        down = await desk.until(LinkDown)
        assert "10 unreadable frames" in down.reason
        await desk.until(BookReset)


async def test_every_token_is_subscribed_again_after_a_reconnect_and_none_twice() -> None:
    first, second, third = LoopMarket(1), LoopMarket(2), LoopMarket(3)
    async with running(first, second, third) as loopback, listening(loopback, first) as desk:
        await desk.until(BookReset)
        desk.feed.watch(said(second))
        await desk.until(BookReset, lambda fact: fact.market == second.id)
        desk.feed.watch(said(third))
        await desk.until(BookReset, lambda fact: fact.market == third.id)
        desk.feed.unwatch(second.id)
        assert second.yes not in desk.feed._decoder._tokens, "what is not watched leaves memory"
        await loopback.until(lambda: len(loopback.subscriptions) == 4)
        assert loopback.subscriptions[1] == {"operation": "subscribe", "assets_ids": [second.yes, second.no]}
        assert loopback.subscriptions[3] == {"operation": "unsubscribe", "assets_ids": [second.yes, second.no]}
        reset(next(iter(loopback.sockets)))
        await desk.until(LinkUp)
        await desk.until(BookReset, lambda fact: fact.market == third.id)
        assert loopback.subscriptions[4]["assets_ids"] == [first.yes, first.no, third.yes, third.no]
        assert len(loopback.subscriptions) == 5


async def test_markets_are_sharded_and_the_link_is_up_when_every_socket_is() -> None:
    markets = [LoopMarket(n) for n in range(1, 6)]
    async with running(*markets) as loopback:
        loopback.refuse = [(429, {}, "")]
        async with listening(loopback, *markets, knobs=replace(FAST, shard_tokens_max=4)) as desk:
            heard: set[str] = set()
            while len(heard) < 5:
                heard.add((await desk.until(BookReset)).market)
            await loopback.until(lambda: len(loopback.sockets) == 3)
            assert sorted(len(tokens) for tokens in loopback.sockets.values()) == [2, 4, 4]
            if not any(isinstance(fact, LinkUp) for fact in desk.seen):
                await desk.until(LinkUp)
            links = [fact for fact in desk.seen if isinstance(fact, LinkUp | LinkDown)]
            assert [type(fact) for fact in links] == [LinkDown, LinkUp]
            reset(next(iter(loopback.sockets)))
            down = await desk.until(LinkDown)
            assert down.reason.startswith("socket ")
            await desk.until(LinkUp)


async def test_F16_a_slow_desk_gets_fewer_newer_books_and_memory_stays_bounded() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market, knobs=replace(FAST, feed_queue_max=32)) as desk:
        await desk.until(BookReset, lambda fact: fact.token == market.no)
        frames = [market.change("BUY", f"0.{10 + n % 30}", str(n + 1)) for n in range(2_000)]
        for frame in frames:
            await loopback.publish(frame, market)
        watched = desk.feed._watched[market.id]
        async with asyncio.timeout(PATIENCE_S):
            while levels(watched.book) != truth(market):
                await asyncio.sleep(0)
        assert desk.feed.dropped > 1_000 and desk.feed._inbox.qsize() == 32, "it was the desk that was slow, and the queue is full"
        for _ in range(32):
            await desk.next()
        await loopback.publish(market.change("SELL", "0.5", "3"), market)
        await desk.until(BookReset, lambda fact: fact.rest)
        assert levels(replayed(desk.seen, market)) == truth(market)


async def test_with_no_network_it_says_so_and_keeps_trying() -> None:
    market = LoopMarket(1)
    feed = MarketFeed(FAST, "ws://127.0.0.1:9/ws/market", "http://127.0.0.1:9", Decoder(), lambda: Nanos(1), Random(1))
    feed.watch(said(market))
    desk = Listener(feed)
    down = await desk.next()
    assert isinstance(down, LinkDown) and "cannot connect" in down.reason
    async with asyncio.timeout(PATIENCE_S):
        while feed._shards[0]._patience.tries < 4:
            await asyncio.sleep(0)
    await feed.close()


async def test_close_ends_the_stream_the_sockets_and_the_tasks() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback:
        async with listening(loopback, market) as desk:
            await desk.until(BookReset, lambda fact: fact.token == market.no)
        with pytest.raises(StopAsyncIteration):
            while True:
                await desk.next()
        await loopback.until(lambda: not loopback.sockets)
        assert not desk.feed._tasks


async def test_a_defect_in_a_task_comes_out_of_the_stream() -> None:
    class Broken(Decoder):
        def decode(self, raw: str | bytes, at: Nanos) -> list[Event]:
            raise ZeroDivisionError("a defect")

    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market, decoder=Broken()) as desk:
        with pytest.raises(ZeroDivisionError):
            await desk.until(BookReset)


async def test_the_last_market_gone_closes_its_socket_and_the_next_one_opens_it() -> None:
    first, second = LoopMarket(1), LoopMarket(2)
    async with running(first, second) as loopback, listening(loopback, first) as desk:
        await desk.until(BookReset)
        desk.feed.unwatch(first.id)
        desk.feed.unwatch("unknown")
        await loopback.until(lambda: not loopback.sockets)
        desk.feed.watch(said(second))
        await desk.until(BookReset, lambda fact: fact.market == second.id)
        assert not any(isinstance(fact, LinkDown) for fact in desk.seen), "an unwanted socket is no lost link"
