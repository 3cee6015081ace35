"""`pmm-tui preflight`: what must be so before real money, each as a check that can fail and says why."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from random import SystemRandom
from typing import Any

import httpx
from msgspec import Struct, structs, to_builtins

from pmm_tui.core.commands import Place
from pmm_tui.core.events import MarketListed
from pmm_tui.core.market import Kind, Market, Side
from pmm_tui.core.units import SECOND, Nanos, cash_text, to_cash
from pmm_tui.feeds.discovery import GammaFeed
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.consent import find_keys, keep_passed
from pmm_tui.runtime.knobs_model import KNOBS
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.production import open_client, secure, short, wallet_of
from pmm_tui.runtime.profile import Profile, load, shown
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.port import Clob, Signed, Trouble

KILL_PCT = (15.0, 20.0)
ORDER_MAX = 15.0
SKEW_S_MAX = 2
FIND_S = 30.0
DRILL_ORDERS = 2
DRILL_S_MAX = 10.0


class Check(Struct, frozen=True):
    """One line of the list."""

    name: str
    ok: bool
    why: str


def preflight(name: str, password: Callable[[], str], as_json: bool) -> int:
    """Run every check and print it. 0: all passed, and it is remembered for today; 1: something is not so."""
    profile = load(name)
    if not profile.is_live:
        raise CannotStart(f"{profile.file}: mode is {profile.run().mode}: a preflight is for a profile of real money")
    keys = find_keys(profile, password, lambda text: print(f"pmm-tui: {text}", file=sys.stderr))
    lock = secure(profile, keys)
    try:
        checks = asyncio.run(run_checks(profile, keys))
    finally:
        lock.release()
    wallet = wallet_of(profile, keys)
    passed = all(check.ok for check in checks)
    if passed:
        keep_passed(profile, wallet)
    if as_json:
        print(json.dumps({"profile": profile.name, "wallet": wallet, "passed": passed, "checks": to_builtins(checks)}))
    else:
        for check in checks:
            print(f"{'pass' if check.ok else 'FAIL'}  {check.name:<16} {check.why}")
        end = "passed, valid today (UTC)" if passed else "NOT passed, production will not start"
        print(f"{profile.name}, wallet {short(wallet)}: {end}")
    return 0 if passed else 1


async def run_checks(profile: Profile, keys: Keys) -> list[Check]:
    """All of them: first what needs no network, then the venue; what cannot be looked at has failed."""
    checks = [paper_knobs(profile), kill_switch(profile), order_size(profile)]
    clock, chance = Clock(), SystemRandom()
    checks.append(await guarded("geoblock", geoblock(profile)))
    try:
        clob = await open_client(profile, keys, clock, chance)
    except CannotStart as refused:
        return [*checks, Check("venue and key", False, str(refused))]
    try:
        checks.append(Check("venue and key", True, f"signed, recovered, and known to the venue as {short(clob.wallet)}"))
        checks.append(await guarded("clock", skew(clob)))
        checks.append(await guarded("balance", balance(profile, clob)))
        market = await find_market(profile)
        if market is None:
            return [*checks, Check("place and cancel", False, f"no market was listed within {FIND_S:g} s")]
        checks.append(await guarded("place and cancel", place_and_cancel(clob, market, clock)))
        checks.append(await guarded("kill drill", kill_drill(clob, market, clock)))
    finally:
        await clob.close()
    return checks


async def guarded(name: str, check: Awaitable[Check]) -> Check:
    """What cannot be looked at has failed."""
    try:
        return await check
    except (Trouble, httpx.HTTPError, ValueError) as failure:
        return Check(name, False, f"could not be looked at: {failure}")


def paper_knobs(profile: Profile) -> Check:
    """What only the simulated venue knows must not be set: somebody would believe that it applies."""
    odd = [knob.name for knob in KNOBS.values() if knob.group == "paper" and profile.values[knob.name] != knob.default]
    return Check("paper knobs", not odd, f"set, and without meaning here: {', '.join(odd)}" if odd else "none is set")


def kill_switch(profile: Profile) -> Check:
    """The threshold is where the first losses should stop."""
    halt, alert = profile.values["kill_switch_max_drawdown_pct"], profile.values["kill_switch_alert_pct"]
    low, high = KILL_PCT
    dollars = profile.values["initial_balance"] * halt / 100
    return Check("kill switch", low <= halt <= high, f"at {halt:g} % (${dollars:.2f}), alert at {alert:g} %; allowed {low:g} to {high:g} %")


def order_size(profile: Profile) -> Check:
    """Small, until paper and production were seen to agree."""
    size = profile.values["default_order_size"]
    return Check("order size", size <= ORDER_MAX, f"{size:g} shares; at most {ORDER_MAX:g}")


async def geoblock(profile: Profile) -> Check:
    """Who may not trade from here would only learn it by refusals."""
    async with httpx.AsyncClient(timeout=10, follow_redirects=False) as http:
        said: dict[str, Any] = (await http.get(profile.live().geoblock_url)).raise_for_status().json()
    blocked = said.get("blocked")
    return Check("geoblock", blocked is False, f"{'blocked' if blocked is not False else 'allowed'} in {shown(said.get('country'))}")


async def skew(clob: Clob) -> Check:
    """Orders and signatures carry the time."""
    before = time.time()
    theirs = await clob.server_time_s()
    apart = abs(theirs - (before + time.time()) / 2)
    return Check("clock", apart <= SKEW_S_MAX + 1, f"{apart:.1f} s from the venue's, whose seconds are whole; at most {SKEW_S_MAX}")


async def balance(profile: Profile, clob: Clob) -> Check:
    """The desk's capital is there."""
    held, wanted = await clob.cash(), to_cash(profile.values["initial_balance"])
    return Check("balance", held >= wanted, f"${cash_text(held)} pUSD at the venue; the profile asks for ${cash_text(wanted)}")


async def find_market(profile: Profile) -> Market | None:
    """The first market that the profile would trade."""
    run = profile.run()
    feed = GammaFeed(profile.gamma(), profile.targeting(), run.markets, run.gamma_url, Clock(), SystemRandom())
    try:
        async with asyncio.timeout(FIND_S):
            async for event in feed.events():
                if isinstance(event, MarketListed):
                    return event.market
    except TimeoutError:
        return None
    finally:
        await feed.close()
    return None


def small_order(market: Market, number: int) -> Place:
    """The venue's smallest order at its lowest price: it costs cents, and nobody sells there."""
    return Place(number, market.id, market.yes, Side.BUY, market.tick, market.min_size, Kind.POST_ONLY)


async def place_and_cancel(clob: Clob, market: Market, clock: Callable[[], Nanos]) -> Check:
    """One order goes out, is seen, and goes away: key, signature, balance and allowance are all right, or it would not."""
    (signed,) = [clob.sign(small_order(market, 1), market, clock())]
    began = clock()
    (leg,) = await clob.post([signed])
    placed = clock()
    if leg.error or not leg.id:
        return Check("place and cancel", False, f"the venue refused it: {leg.error}")
    if leg.id.lower() != signed.id.lower():
        await clob.cancel([leg.id])
        return Check("place and cancel", False, "the venue gave it another id than the one that was signed")
    gone = await clob.cancel([signed.id])
    left = [one for one in await clob.open_orders() if one.id.lower() == signed.id.lower()]
    times = f"placed in {(placed - began) / 1e6:.0f} ms, cancelled in {(clock() - placed) / 1e6:.0f} ms, in {market.slug}"
    ok = bool(gone.gone) and not left
    return Check("place and cancel", ok, times if ok else f"it was not cancelled: {gone.kept}")


async def kill_drill(clob: Clob, market: Market, clock: Callable[[], Nanos]) -> Check:
    """Arm, trip, and see zero open orders: twice, by the venue's own account."""
    armed = await _arm(clob, market, clock)
    before = len(await clob.open_orders())
    began = clock()
    await clob.cancel_all()
    empty = 0
    while empty < 2 and (clock() - began) / SECOND < DRILL_S_MAX:
        empty = empty + 1 if not await clob.open_orders() else 0
    took = (clock() - began) / 1e6
    ok = empty == 2 and before >= len(armed)
    return Check("kill drill", ok, f"{before} orders open, {'zero, read twice,' if empty == 2 else 'NOT zero'} after {took:.0f} ms")


async def _arm(clob: Clob, market: Market, clock: Callable[[], Nanos]) -> list[Signed]:
    """Orders to be killed."""
    dearer = structs.replace(small_order(market, 3), price=market.tick + market.tick)
    signed = [clob.sign(place, market, clock()) for place in (small_order(market, 2), dearer)][:DRILL_ORDERS]
    legs = await clob.post(signed)
    refused = [leg.error for leg in legs if leg.error]
    if refused:
        raise ValueError(f"the venue refused an order of the drill: {refused[0]}")
    return signed
