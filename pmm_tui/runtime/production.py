"""The production half of a desk: keys made safe, the wallet locked, the venue on the CLOB, and what the chain says of the wallet."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
from msgspec import structs

from pmm_tui.core.units import MILLI, SECOND, Nanos, to_cash
from pmm_tui.exchange.contracts import POLYGON, Chain
from pmm_tui.feeds.base import Feed
from pmm_tui.record.signed import signed_before
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.places import CannotStart, state_folder
from pmm_tui.runtime.profile import Profile
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import RPC_URL, Keys, KeyUnfit, WalletLock, guard_logs, no_core_dumps
from pmm_tui.venues.clob.port import Trouble
from pmm_tui.venues.clob.timing import VenueTime
from pmm_tui.venues.clob.venue import ClobVenue

if TYPE_CHECKING:
    from pmm_tui.runtime.chain import ChainFeed

ALIVE_NS = 3 * SECOND
"""A desk that has not stepped for this long quotes from memory: no heartbeat of it leaves."""
KINDS = {"auto": None, "eoa": 0, "proxy": 1, "safe": 2, "deposit": 3}
"""Kinds of wallets, and the signature type that each asks for."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")

_log = logging.getLogger(__name__)


def wallet_of(profile: Profile, keys: Keys) -> str:
    """The address whose money a desk trades: the profile's, else the key's own."""
    return profile.live().wallet or str(keys.account.address)


def short(wallet: str) -> str:
    """An address for people: its two ends."""
    return f"{wallet[:6]}…{wallet[-4:]}"


def secure(profile: Profile, keys: Keys) -> WalletLock:
    """Keep the keys from the logs and from core dumps, and the wallet for this process alone; WalletBusy where another one has it."""
    no_core_dumps()
    guard_logs(keys)
    return WalletLock(state_folder() / "wallets", profile.live().chain_id, wallet_of(profile, keys))


def node_url(profile: Profile, keys: Keys) -> str:
    """The node of the chain to ask: the profile's, else that of the keys; empty where neither names one."""
    return node_of(profile, keys.rpc_url.reveal() if keys.rpc_url is not None else "")


def node_of(profile: Profile, named: str) -> str:
    """The profile's node, else the one that is `named`. A profile of this machine asks none elsewhere: its wallet has nothing there."""
    if url := profile.live().rpc_url:
        return url
    return "" if profile.is_loopback and urlsplit(named).hostname not in LOOPBACK else named


def named_node(profile: Profile, keys: Keys) -> str:
    """The node to ask; CannotStart where none is named."""
    url = node_url(profile, keys)
    if not url:
        raise CannotStart(f"{profile.file}: rpc_url: no node of the chain is named: set rpc_url in the profile, or {RPC_URL}")
    return url


def chain_of(profile: Profile) -> Chain:
    """The contracts of the profile's chain. Another chain than Polygon is a local node's, with the stand-ins at the same addresses."""
    return structs.replace(POLYGON, chain_id=profile.live().chain_id)


async def open_client(
    profile: Profile, keys: Keys, clock: Callable[[], Nanos], chance: Random, http: httpx.AsyncClient | None = None
) -> client.SdkClob:
    """The CLOB for this profile's wallet, with its API key; CannotStart where the venue will not have it. `http`: by way of it."""
    live, knobs = profile.live(), profile.clob()
    try:
        return await client.make(
            keys,
            profile.run().clob_url,
            http,
            chance=chance,
            clock=clock,
            wallet=live.wallet,
            signature_type=KINDS[live.wallet_kind],
            read_timeout_s=knobs.clob_read_timeout_s,
        )
    except (Trouble, KeyUnfit) as refused:
        raise CannotStart(f"the CLOB at {profile.run().clob_url}: {refused}") from None


async def open_production(
    profile: Profile, keys: Keys, clock: Callable[[], Nanos], chance: Random, desk: Desk
) -> tuple[ClobVenue, dict[str, Feed]]:
    """The venue, and the feeds that only a production desk has. CannotStart where the venue cannot be had."""
    stamps = VenueTime(clock)
    async with AsyncExitStack() as opened:
        chain = await open_chain(profile, keys, clock)
        if chain is not None:
            opened.push_async_callback(chain.close)
        clob = await open_client(profile, keys, stamps, chance)
        opened.push_async_callback(clob.close)
        earlier = await asyncio.to_thread(signed_before, desk.folder, clock())
        opened.pop_all()
    state = desk.engine.state

    def alive() -> bool:
        return clock() - state.now < ALIVE_NS and not desk.dead

    venue = ClobVenue(
        clob,
        profile.clob(),
        clock,
        capital=to_cash(profile.knobs().desk.initial_balance),
        user_url=profile.live().user_ws_url,
        chance=chance,
        alive=alive,
        merge=chain.merge if chain is not None else None,
        stamps=stamps,
        earlier=earlier,
    )
    desk.pulse = lambda: pulse(venue, clock())
    if chain is None:
        return venue, {}
    chain.watch(venue)
    return venue, {"chain": chain}


def pulse(venue: ClobVenue, now: Nanos) -> tuple[float, float]:
    """Seconds since the venue last answered a heartbeat, and the middle one of the milliseconds that its answers took; -1: none yet."""
    acked, took = venue.heartbeat.acked, venue.limits.middle()
    return (now - acked) / SECOND if acked else -1.0, took / MILLI if took is not None else -1.0


async def open_chain(profile: Profile, keys: Keys, clock: Callable[[], Nanos]) -> "ChainFeed | None":
    """What tells of the wallet on chain. None where no node is named, which only a profile of this machine may do without.

    CannotStart where real money would do without one, and where the node is of another chain.
    """
    url = node_url(profile, keys) if profile.is_loopback else named_node(profile, keys)
    if not url:
        _log.info("no node of the chain is named (rpc_url, or POLYGON_RPC_URL): our books are compared with the venue's account only")
        return None
    from pmm_tui.runtime.chain import ChainFeed, opener  # what talks to a node takes its time to load
    from pmm_tui.venues.clob.wallet import WrongChain

    feed = ChainFeed(opener(url, wallet_of(profile, keys), keys.account), chain_of(profile), profile.live().wallet_check_s, clock)
    try:
        await feed.start()
    except WrongChain as wrong:
        await feed.close()
        raise CannotStart(f"rpc_url: {wrong}") from None
    return feed
