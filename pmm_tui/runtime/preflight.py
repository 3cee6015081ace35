"""`pmm-tui preflight`: what must be so before real money, each as a check that can fail and says why."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from random import SystemRandom
from typing import Any

import httpx
import msgspec
from msgspec import Struct, field, to_builtins

from pmm_tui.core.commands import Place
from pmm_tui.core.events import MarketListed
from pmm_tui.core.market import Kind, Market, Side
from pmm_tui.core.units import Nanos, Size, cash_text, size_text, to_cash
from pmm_tui.feeds.discovery import GammaFeed
from pmm_tui.runtime.alerts import FILE, URLS, Channels, Message, find_channels
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.consent import Check, find_keys, keep_preflight
from pmm_tui.runtime.kill_drill import kill_drill
from pmm_tui.runtime.knobs_model import KNOBS
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.production import KINDS, chain_of, node_url, open_client, secure, short, wallet_of
from pmm_tui.runtime.profile import Profile, load, shown
from pmm_tui.venues.clob.client import SdkClob
from pmm_tui.venues.clob.keys import Keys, KeyUnfit
from pmm_tui.venues.clob.port import Clob, Trouble
from pmm_tui.venues.clob.wallet import ChainTrouble, Wallet

KILL_PCT = (15.0, 20.0)
ORDER_MAX = 15.0
SKEW_S_MAX = 2
FIND_S = 30.0
GATHER_S = 1.0
"""Markets listed so soon after the first are looked at, too."""
LOOKED_MAX = 20
APPROVALS = 20
"""The account can pay for so many transactions."""
EXCHANGES = ("exchange", "neg-risk exchange", "exchange v3")
TIERS = {
    "standard": (40, 80), "copper": (60, 120), "bronze": (80, 160), "silver": (200, 400), "gold": (400, 800), "platinum": (450, 900),
    "diamond": (525, 1050), "elite": (600, 1200),
}  # fmt: skip
"""Orders and cancels a second that the venue's tiers allow (trading rate limits, 2026-07)."""
TIER_HEADER = "poly-ratelimit-tier"
LATE_S, LEFT_APART_S, LEFT_ASKS_MAX = 10.0, 0.5, 20
"""An unanswered order is waited for this long; then the account is read so far apart, and so often at most."""
_LOOPBACK_ONLY = "this profile trades on this machine only"


def preflight(name: str, password: Callable[[], str], as_json: bool) -> int:
    """Run every check and print it. 0: all passed, and it is remembered for today; 1: something is not so, and no earlier pass counts."""
    channels = find_channels()
    profile = load(name)
    if not profile.is_live:
        raise CannotStart(f"{profile.file}: mode is {profile.run().mode}: a preflight is for a profile of real money")
    keys = find_keys(profile, password, lambda text: print(f"pmm-tui: {text}", file=sys.stderr))
    lock = secure(profile, keys)
    try:
        checks = asyncio.run(run_checks(profile, keys, channels))
    finally:
        lock.release()
    wallet = wallet_of(profile, keys)
    passed = keep_preflight(profile, wallet, checks).passed
    if as_json:
        print(json.dumps({"profile": profile.name, "wallet": wallet, "passed": passed, "checks": to_builtins(checks)}))
    else:
        for check in checks:
            print(f"{'pass' if check.ok else 'FAIL'}  {check.name:<16} {check.why}")
        end = "passed, valid today (UTC)" if passed else "NOT passed, production will not start"
        print(f"{profile.name}, wallet {short(wallet)}: {end}")
    return 0 if passed else 1


async def run_checks(profile: Profile, keys: Keys, channels: Channels) -> list[Check]:
    """All of them: first what needs no venue, then the venue, then the chain; what cannot be looked at has failed."""
    checks = [paper_knobs(profile), kill_switch(profile), order_size(profile), signature_type(profile, keys)]
    checks.append(await guarded("geoblock", geoblock(profile)))
    checks.append(await alert_channel(profile, channels))
    told = Overheard()
    run, patience = profile.run(), profile.clob().clob_read_timeout_s
    async with httpx.AsyncClient(base_url=run.clob_url, timeout=patience, event_hooks={"response": [told.hear]}) as http:
        checks += await venue_checks(profile, keys, http, told)
    checks.append(rate_tier(profile, told.tier))
    checks += await chain_checks(profile, keys)
    return checks if node_url(profile, keys) else [*checks, venue_allowances(profile, told)]


class _Allowed(Struct):
    allowances: dict[str, int] = {}


class Overheard(Struct):
    """What the venue says beside what it is asked for."""

    tier: str = ""
    allowances: dict[str, dict[str, int]] = field(default_factory=dict)
    """By kind of asset, and exchange (lower case): what it may move, base units; for shares anything but 0 is all of them."""

    async def hear(self, response: httpx.Response) -> None:
        """Look at an answer on its way."""
        self.tier = response.headers.get(TIER_HEADER, self.tier)
        if response.request.url.path != "/balance-allowance" or not response.is_success:
            return
        await response.aread()
        said = msgspec.convert(response.json(), _Allowed, strict=False).allowances
        self.allowances[response.request.url.params["asset_type"]] = {at.lower(): amount for at, amount in said.items()}


async def venue_checks(profile: Profile, keys: Keys, http: httpx.AsyncClient, told: Overheard) -> list[Check]:
    """What only the venue can show; what it says beside that is in `told`."""
    clock = Clock()
    try:
        clob = await open_client(profile, keys, clock, SystemRandom(), http)
    except CannotStart as refused:
        return [Check("venue and key", False, str(refused))]
    try:
        checks = [Check("venue and key", True, f"signed, recovered, and known to the venue as {short(clob.wallet)}")]
        checks.append(await guarded("clock", skew(clob)))
        checks.append(await guarded("balance", balance(profile, clob)))
        markets = await find_markets(profile)
        if not markets:
            return [*checks, Check("place and cancel", False, f"no market was listed within {FIND_S:g} s")]
        market = markets[0]
        checks.append(await guarded("shares", holdings(profile, clob, markets[:LOOKED_MAX])))
        checks.append(await guarded("place and cancel", place_and_cancel(clob, market, clock)))
        checks.append(await guarded("kill drill", kill_drill(profile, keys, market, clob)))
        silent = not all(check.ok for check in checks[-2:])
        checks.append(await guarded("nothing left", nothing_left(clob, profile.name, LATE_S if silent else 0.0)))
    finally:
        await clob.close()
    return checks


async def chain_checks(profile: Profile, keys: Keys) -> list[Check]:
    """What only the chain can show: that it is the right one, gas, and allowances; without a node the venue tells those."""
    url = node_url(profile, keys)
    if not url:
        why = "no node is named: set rpc_url in the profile, or POLYGON_RPC_URL"
        ok, why = profile.is_loopback, f"not needed, {_LOOPBACK_ONLY}" if profile.is_loopback else why
        return [Check("chain", ok, why), Check("gas", ok, why)]
    try:
        wallet = await Wallet.open(url, wallet_of(profile, keys), keys.account, chain_of(profile))
    except ChainTrouble as failure:
        return [Check(name, False, str(failure)) for name in ("chain", "gas", "allowances")]
    try:
        found = [Check("chain", True, f"the node answers, and is of chain {wallet.chain.chain_id}")]
        found.append(await guarded("gas", gas(wallet, keys)))
        found.append(await guarded("allowances", allowances(profile, wallet)))
    finally:
        await wallet.close()
    return found


async def guarded(name: str, check: Awaitable[Check]) -> Check:
    """What cannot be looked at has failed."""
    try:
        return await check
    except (Trouble, ChainTrouble, httpx.HTTPError, ValueError, OSError) as failure:
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


def signature_type(profile: Profile, keys: Keys) -> Check:
    """What the key signs as must be what the wallet is."""
    live = profile.live()
    try:
        signer = SdkClob(keys, live.wallet, KINDS[live.wallet_kind], SystemRandom(), Clock())
    except KeyUnfit as unfit:
        return Check("signature type", False, f"wallet_kind {live.wallet_kind}: {unfit}")
    kind = next(name for name, number in KINDS.items() if number == signer.signature_type)
    return Check("signature type", True, f"{signer.signature_type} ({kind}); wallet_kind is {live.wallet_kind}")


def rate_tier(profile: Profile, tier: str) -> Check:
    """The desk's pace must be within what the venue allows; a tier that is not known counts as the lowest."""
    clob = profile.clob()
    orders, cancels = TIERS.get(tier.strip().lower(), TIERS["standard"])
    ok = clob.clob_orders_per_s <= orders and clob.clob_cancels_per_s <= cancels
    pace = f"{clob.clob_orders_per_s:g} orders and {clob.clob_cancels_per_s:g} cancels a second"
    named = shown(tier) if tier else "the venue told of no tier; the lowest"
    return Check("rate tier", ok, f"{pace}; {named} allows {orders} and {cancels}")


async def gas(wallet: Wallet, keys: Keys) -> Check:
    """The account can pay for its transactions. What is not the key's own account pays none: the venue's relayer does."""
    if wallet.owner != keys.account.address:
        return Check("gas", True, "not needed: the venue's relayer sends for this wallet")
    held = (await wallet.holdings()).pol_wei
    one = await wallet.estimate(wallet.approve((await wallet.allowances())[0]))
    wanted, price = APPROVALS * one.wei, await wallet.pol_usd()
    texts = [f"{wei / 10**18:.4f} POL" + (f" (${wei / 10**18 * price:.2f})" if price is not None else "") for wei in (held, wanted)]
    return Check("gas", held >= wanted, f"{texts[0]} held; {APPROVALS} approvals cost at most {texts[1]}")


async def allowances(profile: Profile, wallet: Wallet) -> Check:
    """Every exchange that an order may be signed for may move what it needs, as the chain says."""
    wanted = [one for one in await wallet.allowances() if one.spender in EXCHANGES]
    missing = [f"{one.token} for the {one.spender}" for one in wanted if not one.given]
    do = f"; do: pmm-tui wallet approve --profile {profile.name}"
    told = (
        f"not given, by the chain: {', '.join(missing)}{do}" if missing else f"all {len(wanted)} of the exchanges are given, by the chain"
    )
    return Check("allowances", not missing, told)


async def holdings(profile: Profile, clob: Clob, markets: Sequence[Market]) -> Check:
    """Shares that are there already count in every cap: more of them than the desk is given leave it nothing to buy with."""
    capital, held = to_cash(profile.values["initial_balance"]), list[tuple[Market, Size]]()
    for market in markets:
        held += [(market, size) for token in (market.yes, market.no) if (size := await clob.shares(token, market))]
    if not held:
        return Check("shares", True, f"none is held in the {len(markets)} markets that were looked at")
    total = sum(size for _, size in held)
    told = ", ".join(f"{size_text(size)} of {market.slug}" for market, size in held[:3]) + (", …" if len(held) > 3 else "")
    do = "" if total <= capital else f"; more than the ${cash_text(capital)} of the profile can carry: sell them first"
    return Check("shares", total <= capital, f"WARNING, held already and counted in every cap: {told}{do}")


def venue_allowances(profile: Profile, told: Overheard) -> Check:
    """Every exchange that an order may be signed for may move what it needs, as the venue says; shares: of the kind that was asked for."""
    chain, capital = chain_of(profile), to_cash(profile.values["initial_balance"])
    at = dict(zip(EXCHANGES, (chain.exchange, chain.neg_risk_exchange, chain.exchange_v3), strict=True))
    if "COLLATERAL" not in told.allowances or len(told.allowances) < 2:
        return Check("allowances", False, "could not be looked at: no node is named, and the venue told of none")
    wanted, missing = 0, []
    for kind, (token, spenders, least) in {
        "COLLATERAL": ("pUSD", EXCHANGES, capital),
        "CONDITIONAL": ("outcome tokens", EXCHANGES[:2], 1),
        "CONDITIONAL-V2": ("positions v2", EXCHANGES[2:], 1),
    }.items():
        for name in spenders if kind in told.allowances else ():
            wanted += 1
            if told.allowances[kind].get(at[name].lower(), 0) < least:
                missing.append(f"{token} for the {name}")
    do = f"; do: pmm-tui wallet approve --profile {profile.name}"
    why = f"not given, by the venue: {', '.join(missing)}{do}" if missing else f"all {wanted} are given, by the venue; no node is named"
    return Check("allowances", not missing, why)


async def alert_channel(profile: Profile, channels: Channels) -> Check:
    """Somebody is reached when it matters."""
    name = "alert channel"
    if not channels and profile.is_loopback:
        return Check(name, True, f"not needed, {_LOOPBACK_ONLY}")
    if not channels:
        return Check(name, False, f"none: put an apprise URL into {FILE} beside the profiles, or into {URLS}")
    failed = await channels.send("pmm-tui preflight", Message("info", ("· this is a test",), 0))
    return Check(name, not failed, f"did not take a message: {', '.join(failed)}" if failed else "a message was taken")


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
    after = time.time()
    # The venue's seconds are whole, and its clock was read at some time between: this is the farthest that ours can be off.
    apart = max(abs(theirs + 1 - before), abs(theirs - after))
    return Check("clock", apart <= SKEW_S_MAX, f"at most {apart:.1f} s from the venue's; allowed {SKEW_S_MAX}")


async def balance(profile: Profile, clob: Clob) -> Check:
    """The desk's capital is there."""
    held, wanted = await clob.cash(), to_cash(profile.values["initial_balance"])
    return Check("balance", held >= wanted, f"${cash_text(held)} pUSD at the venue; the profile asks for ${cash_text(wanted)}")


async def find_market(profile: Profile) -> Market | None:
    """The first market that the profile would trade."""
    return next(iter(await find_markets(profile)), None)


async def find_markets(profile: Profile) -> list[Market]:
    """Markets that the profile would trade: those listed within GATHER_S of the first; none where that does not come within FIND_S."""
    run, found = profile.run(), list[Market]()
    feed = GammaFeed(profile.gamma(), profile.targeting(), run.markets, run.gamma_url, Clock(), SystemRandom())
    try:
        async with asyncio.timeout(FIND_S) as patience:
            async for event in feed.events():
                if isinstance(event, MarketListed):
                    found.append(event.market)
                    if len(found) == 1:
                        patience.reschedule(asyncio.get_running_loop().time() + GATHER_S)
    except TimeoutError:
        return found
    finally:
        await feed.close()
    return found


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


async def nothing_left(clob: Clob, profile: str, late_s: float) -> Check:
    """Whatever the checks before did, no order of theirs may rest: no heartbeat would ever end it.

    late_s: an order whose POST was not answered may still be booked, so that it is waited for.
    """
    await asyncio.sleep(late_s)
    empty, asks = 0, 0
    while empty < 2 and asks < LEFT_ASKS_MAX:
        asks += 1
        if await clob.open_orders():
            empty = 0
            await clob.cancel_all()
        else:
            empty += 1
        await asyncio.sleep(LEFT_APART_S if empty < 2 else 0)
    left = "" if empty == 2 else f"{len(await clob.open_orders())} ORDERS REST: pmm-tui cancel {profile}, or cancel them at the venue"
    return Check("nothing left", not left, left or "no open order, read twice")
