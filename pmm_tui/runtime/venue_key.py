"""The API key that reads and cancels at the venue: kept beside the keystore for the monitor, and a cancel-all with it, desk or no desk."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from random import SystemRandom

from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.consent import find_keys, keystore_path
from pmm_tui.runtime.fleet import running
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.production import open_client, short
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.venues.clob.client import SdkClob
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.port import Trouble
from pmm_tui.venues.clob.reader import Reader, ReadKey, find_read_key, keep_read_key

GONE_S = 15.0
"""So long a cancel-all may take until the venue shows no order, twice."""
LOOK_S = 0.25


def enrol(names: Sequence[str], password: Callable[[], str]) -> int:
    """Ask the venue for the API key of each profile's account and keep it beside its keystore, 0600. 0: done."""
    for name in names:
        profile = _live(name)
        keys = find_keys(profile, password, _warn)
        asyncio.run(_enrolled(profile, keys))
        if keys.api is None:
            raise CannotStart(f"{profile.file}: the venue gave no API key")
        path = keep_read_key(keystore_path(profile), ReadKey(str(keys.account.address), keys.api))
        sys.stdout.write(f"the API key of {short(keys.account.address)} is in {path}: it reads and cancels, and can place nothing\n")
    return 0


def cancel_orders(name: str, password: Callable[[], str]) -> int:
    """Cancel every order of a profile's account, and look until none is open. 0: none is; 3: that is not proven."""
    profile = _live(name)
    for desk in running():
        if desk.frame is not None and desk.frame.card.profile == profile.name:
            _warn(f"its desk runs and will place anew: pmm-tui kill {desk.run}")
    return asyncio.run(_cancel(profile, password))


async def _cancel(profile: Profile, password: Callable[[], str]) -> int:
    key = find_read_key(keystore_path(profile))
    clob: Reader | SdkClob
    if key is not None:
        clob = Reader(key, profile.run().clob_url, profile.clob().clob_read_timeout_s)
    else:
        clob = await open_client(profile, find_keys(profile, password, _warn), Clock(), SystemRandom())
    until, empty, left, gone = time.monotonic() + GONE_S, 0, "not read", 0
    try:
        while empty < 2 and time.monotonic() < until:
            try:
                gone += len((await clob.cancel_all()).gone)
                rests = len(await clob.open_orders())
                empty, left = (0, f"{rests} open") if rests else (empty + 1, "")
            except Trouble as trouble:
                empty, left = 0, trouble.text
            await asyncio.sleep(LOOK_S)
    finally:
        await clob.close()
    if empty < 2:
        sys.stderr.write(f"pmm-tui: {gone} cancelled, and NOT proven that none rests: {left}; look at the venue\n")
        return 3
    sys.stdout.write(f"{gone} cancelled; the venue shows no open order, read twice\n")
    return 0


async def _enrolled(profile: Profile, keys: Keys) -> None:
    clob = await open_client(profile, keys, Clock(), SystemRandom())  # which derives the key
    await clob.close()


def _live(name: str) -> Profile:
    profile = load(name)
    if not profile.is_live:
        raise CannotStart(f"{profile.file}: mode is {profile.run().mode}: only a profile of mode live has orders at the venue")
    return profile


def _warn(text: str) -> None:
    sys.stderr.write(f"pmm-tui: {text}\n")
