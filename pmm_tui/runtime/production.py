"""The production half of a desk: keys made safe, the wallet locked, the venue on the CLOB, and what the chain says of the wallet."""

import logging
from collections.abc import Callable
from random import Random

from pmm_tui.core.units import SECOND, Nanos, to_cash
from pmm_tui.feeds.base import Feed
from pmm_tui.runtime.desk import Desk
from pmm_tui.runtime.places import CannotStart, state_folder
from pmm_tui.runtime.profile import Profile
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import Keys, WalletLock, guard_logs, no_core_dumps
from pmm_tui.venues.clob.port import Trouble
from pmm_tui.venues.clob.venue import ClobVenue

ALIVE_NS = 3 * SECOND
"""A desk that has not stepped for this long quotes from memory: no heartbeat of it leaves."""
_KINDS = {"auto": None, "eoa": 0, "proxy": 1, "safe": 2, "deposit": 3}

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


async def open_client(profile: Profile, keys: Keys, clock: Callable[[], Nanos], chance: Random) -> client.SdkClob:
    """The CLOB for this profile's wallet, with its API key; CannotStart where the venue will not have it."""
    live, knobs = profile.live(), profile.clob()
    try:
        return await client.make(
            keys,
            profile.run().clob_url,
            chance=chance,
            clock=clock,
            wallet=live.wallet,
            signature_type=_KINDS[live.wallet_kind],
            read_timeout_s=knobs.clob_read_timeout_s,
        )
    except (Trouble, client.KeyUnfit) as refused:
        raise CannotStart(f"the CLOB at {profile.run().clob_url}: {refused}") from None


async def open_production(
    profile: Profile, keys: Keys, clock: Callable[[], Nanos], chance: Random, desk: Desk
) -> tuple[ClobVenue, dict[str, Feed]]:
    """The venue, and the feeds that only a production desk has. CannotStart where the venue cannot be had."""
    clob = await open_client(profile, keys, clock, chance)
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
    )
    return venue, {}
