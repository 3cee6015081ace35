"""Liveness and resync of the market channel: silence, freezes, missing dumps, and a REST that is late, wrong or gone."""

import asyncio
import json

import pytest
from msgspec.structs import replace

from pmm_tui.core.events import BookChanged, BookReset, LinkDown, LinkUp
from tests.feeds.listening import FAST, QUICK_PROBE, levels, listening, replayed, said, truth
from tests.feeds.loopback import LoopMarket, reset, running


async def test_F01_a_silent_freeze_with_pong_alive_is_found_by_rest_and_rotated() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market, knobs=QUICK_PROBE) as desk:
        await desk.until(BookReset)
        loopback.frozen = True
        market.change("SELL", "0.49", "55")
        pings = loopback.pings
        down = await desk.until(LinkDown)
        assert "frozen" in down.reason and market.slug in down.reason
        await loopback.until(lambda: loopback.pings > pings)
        loopback.frozen = False
        await loopback.until(lambda: loopback.upgrades >= 2)
        for socket in list(loopback.sockets):
            reset(socket)  # one that was opened while still frozen never dumps
        await desk.until(BookReset, lambda fact: not fact.rest and fact.asks[-1] == (4900, 55_000_000))
        assert desk.feed.rotations >= 1


async def test_a_quiet_market_is_proven_alive_by_the_same_book_on_rest() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market, knobs=QUICK_PROBE) as desk:
        for _ in range(3):
            proof = await desk.until(BookReset, lambda fact: fact.rest)
            assert (list(reversed(proof.bids)), list(reversed(proof.asks))) == truth(market)
        assert desk.feed.rotations == 0 and loopback.upgrades == 1


async def test_a_rest_that_lies_costs_one_socket_and_not_one_every_few_seconds() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market, knobs=QUICK_PROBE) as desk:
        await desk.until(BookReset)
        ghost = market.rest(bids=[{"price": "0.01", "size": "9"}], asks=[{"price": "0.99", "size": "9"}], timestamp=str(market.ts + 1))
        loopback.rest_answer = lambda _: (200, "application/json", json.dumps(ghost))
        await desk.until(LinkDown)
        await desk.until(LinkUp)
        reads = loopback.rest_reads
        await loopback.until(lambda: loopback.rest_reads > reads + 4)
        assert desk.feed.rotations == 1 and loopback.upgrades == 2
        assert not any(isinstance(fact, BookReset) and fact.rest for fact in desk.seen), "the ghost never reached the desk"


async def test_F18_watching_again_is_a_resync_and_not_a_second_subscription() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market) as desk:
        await desk.until(BookReset)
        desk.feed.watch(said(market))
        fresh = await desk.until(BookReset, lambda fact: fact.rest)
        assert (list(reversed(fresh.bids)), list(reversed(fresh.asks))) == truth(market)
        assert len(loopback.subscriptions) == 1 and desk.feed.resyncs == 1


async def test_F10_changes_that_arrive_during_a_resync_follow_its_snapshot() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market) as desk:
        await desk.until(BookReset, lambda fact: fact.token == market.no)
        watched = desk.feed._watched[market.id]
        covered, later = market.change("BUY", "0.49", "1"), None

        def while_fetching(_: LoopMarket) -> tuple[int, str, str]:
            nonlocal later
            body = json.dumps(market.rest())
            later = asyncio.ensure_future(both())
            return 200, "application/json", body

        async def both() -> None:
            await loopback.publish(covered, market)
            await loopback.publish(market.change("BUY", "0.49", "2"), market)

        loopback.rest_answer = while_fetching
        await desk.feed._resync(watched)
        await desk.until(BookChanged, lambda fact: fact.changes[0][2] == 2_000_000)
        assert levels(replayed(desk.seen, market)) == truth(market) == levels(watched.book)
        assert later is not None
        await later


async def test_F09_a_ghost_book_is_refused_by_a_resync_which_takes_a_new_socket_instead() -> None:
    market = LoopMarket(1)
    ghost = market.rest(bids=[{"price": "0.01", "size": "9"}], asks=[{"price": "0.99", "size": "9"}], timestamp=str(market.ts + 1))
    async with running(market) as loopback, listening(loopback, market) as desk:
        loopback.rest_answer = lambda _: (200, "application/json", json.dumps(ghost))
        await desk.until(BookReset)
        desk.feed.watch(said(market))
        down = await desk.until(LinkDown)
        assert "no usable REST book" in down.reason and desk.feed.ghosts == 3
        fresh = await desk.until(BookReset)
        assert not fresh.rest and fresh.bids[-1] == (4800, 100_000_000)


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (404, "application/json", '{"error":"No orderbook exists for the requested token id"}'),
        (429, "text/html", "<html>"),
        (200, "text/html", "<html>"),
        (200, "application/json", "[]"),
        (200, "application/json", "{"),
        (200, "application/json", json.dumps(LoopMarket(1).rest(timestamp="1"))),
        (200, "application/json", json.dumps(LoopMarket(2).rest())),
    ],
)
async def test_a_rest_that_is_no_help_is_counted_or_too_old_and_never_believed(status: int, kind: str, body: str) -> None:
    market = LoopMarket(1)
    async with running(market) as loopback, listening(loopback, market) as desk:
        await desk.until(BookReset, lambda fact: fact.token == market.no)
        loopback.rest_answer = lambda _: (status, kind, body)
        await desk.feed._resync(desk.feed._watched[market.id])
        assert desk.feed.rotations == 1 and loopback.rest_reads == 3
        await desk.until(LinkDown)
        assert not any(isinstance(fact, BookReset) and fact.rest for fact in desk.seen)


async def test_F17_a_dump_that_never_comes_is_fetched_from_rest() -> None:
    first, second = LoopMarket(1), LoopMarket(2)
    async with running(first, second) as loopback, listening(loopback, first, knobs=QUICK_PROBE) as desk:
        await desk.until(BookReset)
        loopback.no_dump = True
        desk.feed.watch(said(second))
        fresh = await desk.until(BookReset, lambda fact: fact.market == second.id)
        assert fresh.rest and (list(reversed(fresh.bids)), list(reversed(fresh.asks))) == truth(second)


async def test_a_socket_that_is_frozen_from_the_start_is_given_up() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback:
        loopback.no_dump = True
        async with listening(loopback, market, knobs=replace(FAST, ws_first_data_s=0.05)) as desk:
            down = await desk.next()
            assert isinstance(down, LinkDown) and "no data within" in down.reason
            loopback.no_dump = False
            await desk.until(LinkUp)


async def test_a_socket_that_answers_nothing_at_all_is_given_up() -> None:
    market = LoopMarket(1)
    async with running(market) as loopback:
        loopback.mute_pong = True
        async with listening(loopback, market, knobs=replace(FAST, ws_deaf_s=0.1)) as desk:
            down = await desk.until(LinkDown)
            assert "no PONG" in down.reason
