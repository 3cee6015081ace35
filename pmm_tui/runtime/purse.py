"""`pmm-tui wallet`: what a profile's wallet holds and allows, and the few things that it does on the chain by itself."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
from msgspec import Struct

from pmm_tui.core.market import Market
from pmm_tui.core.units import Cash, Size, cash_of, cash_text, size_of, size_text
from pmm_tui.feeds.fetch import Unanswered, fetch
from pmm_tui.feeds.gamma import market_of
from pmm_tui.runtime.consent import SUFFIX, find_keys
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.production import LOOPBACK, chain_of, named_node, secure, wallet_of
from pmm_tui.runtime.profile import Profile, load
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.wallet import ChainTrouble, Gas, Holdings, Reverted, Step, Wallet

ACTIONS = ("show", "approve", "wrap", "unwrap", "split", "merge", "redeem")
FETCH_S = 10.0


class _Page(Struct):
    markets: list[Any]


Say = Callable[[str], None]
Ask = Callable[[str], str]


class Wish(Struct, frozen=True):
    """What the user asked for."""

    action: str = "show"
    market: str = ""
    """A condition id or a slug."""
    amount: str = ""
    """Dollars, or pairs of shares."""
    yes: bool = False
    """No question; taken only where the node is on this machine."""
    as_json: bool = False


def purse(name: str, wish: Wish, password: Callable[[], str], say: Say, warn: Say, ask: Ask | None) -> int:
    """Do it and print what came of it. 0: done; CannotStart where it cannot be or was not wanted."""
    if wish.action not in ACTIONS:
        raise CannotStart(f"{wish.action}: expected one of {', '.join(ACTIONS)}")
    profile = load(name)
    if not profile.is_live:
        raise CannotStart(f"{profile.file}: mode is {profile.run().mode}: only a profile of mode live has a wallet")
    keys = find_keys(profile, password, warn)
    lock = secure(profile, keys) if wish.action != "show" else None
    try:
        asyncio.run(_do(profile, keys, wish, say, ask))
    except ChainTrouble as failure:
        raise CannotStart(str(failure)) from None
    finally:
        if lock is not None:
            lock.release()
    return 0


def confirm(wish: Wish, url: str, wallet: str, ask: Ask | None) -> None:
    """The yes that a transaction needs: on this machine --yes, elsewhere the wallet's last characters, typed. CannotStart without it."""
    if wish.yes:
        if urlsplit(url).hostname in LOOPBACK:
            return
        raise CannotStart("--yes is for a node on this machine; elsewhere the wallet's last characters are typed")
    typed = ask(f"Type the last {SUFFIX} characters of the wallet {wallet[:6]}… to send: ") if ask is not None else ""
    if typed.strip().lower() != wallet[-SUFFIX:].lower():
        raise CannotStart(f"nothing was sent: the wallet's last {SUFFIX} characters were to be typed")


async def _do(profile: Profile, keys: Keys, wish: Wish, say: Say, ask: Ask | None) -> None:
    url = named_node(profile, keys)
    market = await find_market(profile.run().gamma_url, wish.market) if wish.market else None
    wallet = await Wallet.open(url, wallet_of(profile, keys), keys.account, chain_of(profile))
    try:
        if wish.action == "show":
            await show(wallet, market, wish.as_json, say)
            return
        steps = await plan(wallet, wish, market)
        if not steps:
            say("nothing to do: every allowance is given")
            return
        for step in steps:
            say(f"will {step.what} ({await _cost(wallet, step)})")
        confirm(wish, url, wallet.owner, ask)
        for step in steps:
            mined = await wallet.send(step)
            say(f"{step.what}: mined in block {mined.block}, {gas_text(mined.gas)}, {mined.tx}")
    finally:
        await wallet.close()


async def find_market(gamma_url: str, name: str) -> Market:
    """A market by its condition id or slug, open or closed; CannotStart where the venue has none."""
    by = "condition_ids" if name.startswith("0x") else "slug"
    async with httpx.AsyncClient(timeout=FETCH_S) as http:
        for closed in ("false", "true"):
            try:
                asked = [(by, name), ("closed", closed), ("limit", "1")]
                body = await fetch(http, f"{gamma_url}/markets/keyset", asked, time.time())
                if found := msgspec.json.decode(body, type=_Page).markets:
                    return market_of(found[0])
            except (Unanswered, ValueError) as failure:
                raise CannotStart(f"the market {name} cannot be had: {failure}") from None
    raise CannotStart(f"no market is called {name}")


async def plan(wallet: Wallet, wish: Wish, market: Market | None) -> list[Step]:
    """The transactions that a wish needs, in order; CannotStart where it says too little."""
    if wish.action == "approve":
        return [wallet.approve(one) for one in await wallet.allowances() if not one.given]
    if wish.action in ("wrap", "unwrap"):
        dollars = cash_of(wish.amount or "0")
        if not dollars:
            raise CannotStart(f"{wish.action}: how many dollars? (--amount)")
        held = await wallet.holdings()
        there = held.asset if wish.action == "wrap" else held.pusd
        if dollars > there:  # found out here, before an allowance is paid for
            raise CannotStart(f"{wish.action}: the wallet holds only {cash_text(there)}")
        return wallet.wrap(dollars) if wish.action == "wrap" else wallet.unwrap(dollars)
    if market is None:
        raise CannotStart(f"{wish.action}: of which market? (--market)")
    if wish.action == "redeem":
        return [wallet.redeem(market)]
    pairs = size_of(wish.amount or "0")
    if not pairs and wish.action == "merge":
        pairs = Size(min(size for _, size in (await wallet.holdings((market.yes, market.no))).shares))
    if not pairs:
        raise CannotStart(f"{wish.action}: how many pairs? (--amount)")
    return [wallet.split(market, pairs) if wish.action == "split" else wallet.merge(market, pairs)]


async def _cost(wallet: Wallet, step: Step) -> str:
    try:
        return f"at most {gas_text(await wallet.estimate(step))}"
    except Reverted as refused:
        # The second step of a wrap is refused until the first is mined; a step that stays refused is not sent later either.
        return f"cannot be estimated yet: {refused}"


def gas_text(gas: Gas) -> str:
    """Gas for people: units, the coin, and dollars where they are known."""
    dollars = "" if gas.usd is None else f", ${cash_text(gas.usd)}"
    return f"{gas.units} gas, {gas.wei / 10**18:.6f} POL{dollars}"


async def show(wallet: Wallet, market: Market | None, as_json: bool, say: Say) -> None:
    """Balances, allowances and the cost of gas."""
    tokens = (market.yes, market.no) if market is not None else ()
    held, allowances, price = await asyncio.gather(wallet.holdings(tokens), wallet.allowances(), wallet.pol_usd())
    typical = await _typical(wallet, market, held)
    if as_json:
        body = {"wallet": wallet.owner, "pol_usd": price, "holdings": held, "allowances": allowances, "gas": typical}
        say(json.dumps(msgspec.to_builtins(body, builtin_types=())))
        return
    say(f"wallet {wallet.owner}")
    say(f"  pUSD    {cash_text(held.pusd):>16}")
    say(f"  USDC.e  {cash_text(held.asset):>16}   to be wrapped")
    say(f"  POL     {held.pol_wei / 10**18:>16.6f}   " + ("its price is not known here" if price is None else f"at ${price:.4f}"))
    for outcome, (_, size) in zip(market.outcomes if market is not None else (), held.shares, strict=True):
        say(f"  {outcome:<7} {size_text(size):>16}   shares")
    say("allowances")
    for one in allowances:
        how = "given" if one.given else f"{cash_text(one.amount)} left" if one.amount else "NOT given"
        say(f"  {one.token:<15} {one.spender:<18} {how}")
    say("gas")
    for what, gas in typical.items():
        say(f"  {what:<15} " + (gas if isinstance(gas, str) else f"at most {gas_text(gas)}"))


async def _typical(wallet: Wallet, market: Market | None, held: Holdings) -> dict[str, Gas | str]:
    """What each kind of transaction would cost now, or why it would be refused."""
    steps = {"approve": wallet.approve((await wallet.allowances())[0])}
    if market is not None and market.protocol == 2:
        one = Size(1_000_000)
        steps |= {"split": wallet.split(market, one), "merge": wallet.merge(market, one), "redeem": wallet.redeem(market)}
    if held.asset:
        steps["wrap"] = wallet.wrap(Cash(1))[0]
    found: dict[str, Gas | str] = {}
    for what, step in steps.items():
        try:
            found[what] = await wallet.estimate(step)
        except Reverted as refused:
            found[what] = f"would be refused: {refused}"
    return found
