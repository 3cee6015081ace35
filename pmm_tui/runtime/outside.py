"""What the venue and the chain say of a desk of mode live, whether it lives or not: asked past the desk, and never with the private key."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from msgspec import structs

from pmm_tui.core.snapshot import MarketRow, Snapshot
from pmm_tui.core.units import ONE, SECOND, Cash, cash_text, cents_text, pays, size_text
from pmm_tui.runtime.consent import keystore_path
from pmm_tui.runtime.fleet import look
from pmm_tui.runtime.monitor import Books, Known, Subject, Tokens
from pmm_tui.runtime.places import CannotStart
from pmm_tui.runtime.production import chain_of, node_of, short
from pmm_tui.runtime.profile import Profile
from pmm_tui.runtime.purse import find_market
from pmm_tui.runtime.watch import Finding
from pmm_tui.venues.clob.keys import RPC_URL, KeysUnusable
from pmm_tui.venues.clob.port import Standing, Trouble, Unauthorized
from pmm_tui.venues.clob.reader import Reader, ReadKey, address_of, find_read_key, read_key_path
from pmm_tui.venues.clob.wallet import ChainTrouble, Wallet

YOUNG_NS = 5 * SECOND
"""An order younger than this may still be on its way into the venue's list."""
APART_S = 2.0
"""What differs is read again after so long, and counts only if it differs still."""
DUST = 10_000
"""Sums within a cent of each other agree: fees are rounded fill by fill."""
SHOWN = 4
TOKENS_KEPT = 2_000
MARKETS_MAX = 50
"""So many markets of a desk have their shares read from the chain in one look."""
ORDERS, CHAIN = "venue orders", "chain"


async def ask_all(subjects: Sequence[Subject], known: Known) -> list[Finding]:
    """Every subject, side by side; of those that do not answer, only whose wallet no desk that answers trades."""
    minded = {_account(one.profile) for one in subjects if one.frame is not None}
    asked = [one for one in subjects if one.frame is not None or _account(one.profile) not in minded]
    return [finding for found in await asyncio.gather(*(ask_outside(one, known) for one in asked)) for finding in found]


def _account(profile: Profile) -> tuple[str, str]:
    """What two profiles of one account have in common."""
    return str(keystore_path(profile)), profile.live().wallet.lower()


async def ask_outside(subject: Subject, known: Known, environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """What the venue and the chain say; nothing that could not be asked is called well."""

    def unasked(why: str) -> list[Finding]:
        return [Finding(subject.run, what, "unasked", f"not asked: {why}") for what in (ORDERS, CHAIN)]

    keystore = keystore_path(subject.profile)
    try:
        key = find_read_key(keystore, environ)
    except KeysUnusable as unusable:
        return unasked(str(unusable))
    wallet = subject.profile.live().wallet or (key.address if key is not None else address_of(keystore))
    account = subject.frame.card.account if subject.frame is not None else ""
    if wallet and account and account.lower() != short(wallet).lower():
        return unasked(f"the key at hand is of {short(wallet)}, and the desk trades {account}")
    node = node_of(subject.profile, environ.get(RPC_URL, "").strip())
    return [await _orders(subject, key), await _chain(subject, wallet, node, known)]


# --- orders -----------------------------------------------------------------------------------------------------------------------------


async def _orders(subject: Subject, key: ReadKey | None) -> Finding:
    if key is None:
        path, do = read_key_path(keystore_path(subject.profile)), f"pmm-tui monitor --enrol {subject.profile.file}"
        return Finding(subject.run, ORDERS, "unasked", f"not asked: no key at {path}; do: {do}")
    reader = Reader(key, subject.profile.run().clob_url, subject.profile.clob().clob_read_timeout_s)
    try:
        return await _judged(subject, reader)
    except Unauthorized:
        return Finding(subject.run, ORDERS, "warn", "could not be asked: the venue refuses this API key")
    except Trouble as trouble:
        return Finding(subject.run, ORDERS, "warn", f"could not be asked: {trouble.text}")
    finally:
        await reader.close()


async def _judged(subject: Subject, reader: Reader) -> Finding:
    """One reading, and where it differs from the desk's word a second one: only what differs in both is a difference."""
    rests = await reader.open_orders()
    if subject.frame is None:
        return _unminded(subject, rests)
    strange, lacking = differences(rests, await _word(subject))
    if strange or lacking:
        await asyncio.sleep(APART_S)
        rests = await reader.open_orders()
        again = differences(rests, await _word(subject))
        strange, lacking = strange & again[0], lacking & again[1]
    told = [f"{len(strange)} that the desk did not place, or believes gone: {_listed(rests, strange)}"] if strange else []
    told += [f"{len(lacking)} that the desk believes in and the venue has not: {', '.join(sorted(lacking)[:SHOWN])}"] if lacking else []
    if told:
        return Finding(subject.run, ORDERS, "alarm", "; ".join(told))
    return Finding(subject.run, ORDERS, "ok", f"{len(rests)} rest at the venue, as the desk says")


async def _word(subject: Subject) -> Snapshot:
    """The desk's word now, so that it is newer than the reading it is held against; the one at hand where it gives none."""
    assert subject.frame is not None  # noqa: S101 - tells the type checker
    frame = (await asyncio.to_thread(look, subject.socket)).frame if subject.socket is not None else None
    return (frame or subject.frame).snapshot


def differences(rests: Sequence[Standing], snapshot: Snapshot) -> tuple[set[str], set[str]]:
    """Ids that rest and are none of the desk's orders, and ids that the desk has had open for a while and that do not rest."""
    ours = {row.venue_id.lower(): row for row in snapshot.orders if row.venue_id and row.status != "EXTERNAL"}
    there = {one.id.lower() for one in rests}
    old = {id_ for id_, row in ours.items() if row.status == "OPEN" and snapshot.at - row.sent_at >= YOUNG_NS}
    return there - ours.keys(), old - there


def _unminded(subject: Subject, rests: Sequence[Standing]) -> Finding:
    """Of a desk that is dead or hangs: what rests is minded by nobody."""
    what = "HANGS" if subject.hangs else "IS DEAD"
    if not rests:
        return Finding(subject.run, ORDERS, "ok", f"no order rests at the venue; the desk {what.lower()}")
    listed = _listed(rests, {one.id.lower() for one in rests})
    do = f"do: pmm-tui cancel {subject.profile.file}"
    do = f"do: pmm-tui kill {subject.run}; where that proves nothing, {do.removeprefix('do: ')}" if subject.hangs else do
    return Finding(subject.run, ORDERS, "alarm", f"THE DESK {what} AND {len(rests)} ORDERS REST AT THE VENUE; {do} ({listed})")


def _listed(rests: Sequence[Standing], wanted: set[str]) -> str:
    found = [one for one in rests if one.id.lower() in wanted]
    texts = [f"{one.side.value} {size_text(one.size)} @ {cents_text(one.price)} {one.id[:10]}…" for one in found[:SHOWN]]
    return ", ".join(texts) + (f" and {len(found) - SHOWN} more" if len(found) > SHOWN else "")


# --- the chain --------------------------------------------------------------------------------------------------------------------------


async def _chain(subject: Subject, wallet: str, node: str, known: Known) -> Finding:
    def found(level: str, why: str) -> Finding:
        return Finding(subject.run, CHAIN, level, why)

    if not node or not wallet:
        why = "no node is named: rpc_url in the profile, or POLYGON_RPC_URL" if not node else "the wallet's address is not known here"
        return found("unasked", f"not asked: {why}")
    before = known.books.get(subject.profile.name)
    if subject.frame is None and before is None:
        return found("unasked", "not asked: the books of the desk, which does not answer, were never seen here")
    try:
        if subject.frame is None and before is not None:
            wanted = [one for one in known.tokens.values() if before.shares.keys() & one[:2]]
            wrong = _since(before, *await _held(subject, wallet, node, wanted))
            return found("warn" if wrong else "ok", f"since the desk's last word: {'; '.join(wrong) or 'nothing moved on chain'}")
        wrong, books = await _against(subject, wallet, node, known)
        if wrong:
            await asyncio.sleep(APART_S)
            wrong, books = await _against(subject, wallet, node, known)
    except (ChainTrouble, CannotStart) as failure:
        return found("warn", f"could not be asked: {failure}")
    if wrong:
        return found("alarm", "; ".join(wrong))
    known.books[subject.profile.name] = books
    pusd = cash_text(Cash(books.cash + books.aside))
    return found("ok", f"${pusd} pUSD and the shares of {len(books.shares) // 2} markets, as the desk says")


async def _against(subject: Subject, wallet: str, node: str, known: Known) -> tuple[list[str], Books]:
    """The chain's word against the desk's, which is taken after it."""
    wanted = await _learn(subject, known)
    pusd, shares = await _held(subject, wallet, node, wanted)
    before = known.books.get(subject.profile.name)
    before = before if before is not None and before.run == subject.run else None
    return compared(await _word(subject), known.tokens, pusd, shares, before, subject.run)


async def _learn(subject: Subject, known: Known) -> list[Tokens]:
    """The tokens of the desk's markets, by the venue's public listing; the newest of them are kept."""
    markets = [row.id for row in (await _word(subject)).markets[-MARKETS_MAX:]]
    for name in markets:
        if name not in known.tokens:
            market = await find_market(subject.profile.run().gamma_url, name)
            known.tokens[name] = (market.yes, market.no, market.protocol)
    wanted = [known.tokens[name] for name in markets]
    while len(known.tokens) > TOKENS_KEPT:
        del known.tokens[next(iter(known.tokens))]
    return wanted


async def _held(subject: Subject, wallet: str, node: str, tokens: Sequence[Tokens]) -> tuple[Cash, dict[str, int]]:
    """pUSD, and the shares of these markets."""
    chain, pusd, shares = chain_of(subject.profile), Cash(0), dict[str, int]()
    # Both kinds of outcome tokens are ERC-1155 with one surface, so the second kind is the same wallet over another contract.
    for protocol, at in ((2, chain), (3, structs.replace(chain, tokens=chain.position_manager))):
        wanted = [token for yes, no, kind in tokens if kind == protocol for token in (yes, no)]
        if protocol == 3 and not wanted:
            continue
        opened = await Wallet.open(node, wallet, None, at)
        try:
            held = await opened.holdings(wanted)
        finally:
            await opened.close()
        pusd, shares = held.pusd, shares | {token: int(size) for token, size in held.shares}
    return pusd, shares


def compared(
    snapshot: Snapshot, tokens: Mapping[str, Tokens], pusd: Cash, shares: Mapping[str, int], before: Books | None, run: str
) -> tuple[list[str], Books]:
    """What differs between chain and books, in words, and the books. What a fill that is not settled moves may be there already or not."""
    wrong, counted, owed = list[str](), dict[str, int](), 0
    slack = DUST + sum(pays(fill.price, fill.size) + abs(fill.fee) for fill in snapshot.fills if fill.status == "MATCHED")
    for row in snapshot.markets:
        if row.id not in tokens or tokens[row.id][0] not in shares:
            continue
        there = [shares[token] for token in tokens[row.id][:2]]
        if row.payout_yes is not None:  # decided: what is not redeemed yet is cash in the books already
            owed += (there[0] * row.payout_yes + there[1] * (ONE - row.payout_yes)) // ONE
            continue
        for outcome, token, ours, theirs in zip(row.outcomes, tokens[row.id][:2], (row.yes, row.no), there, strict=True):
            counted[token] = int(ours)
            if abs(theirs - ours) > _unsettled(snapshot, row, outcome) + DUST:
                wrong.append(f"{size_text(theirs)} {outcome} of {row.slug} on chain, {size_text(ours)} in the desk's books")
    aside = Cash(pusd + owed - snapshot.money.cash)
    if aside < -slack:
        wrong.append(f"${cash_text(Cash(pusd + owed))} on chain, ${cash_text(snapshot.money.cash)} in the desk's books")
    elif before is not None and abs(aside - before.aside) > slack:
        wrong.append(f"${cash_text(Cash(aside - before.aside))} of pUSD moved on chain that the desk's books do not know of")
    return wrong, Books(run, snapshot.money.cash, aside, counted)


def _unsettled(snapshot: Snapshot, row: MarketRow, outcome: str) -> int:
    """Shares of an outcome that are on their way to the chain, or from it."""
    return sum(fill.size for fill in snapshot.fills if fill.status == "MATCHED" and (fill.market, fill.outcome) == (row.id, outcome))


def _since(before: Books, pusd: Cash, shares: Mapping[str, int]) -> list[str]:
    """What moved on chain since a dead desk's last word."""
    wrong = [] if abs(pusd - before.cash - before.aside) <= DUST else [f"${cash_text(Cash(pusd - before.cash - before.aside))} of pUSD"]
    for token, ours in before.shares.items():
        theirs = shares.get(token, 0)
        if abs(theirs - ours) > DUST:
            wrong.append(f"{size_text(theirs)} of token {token[:8]}…, not {size_text(ours)}")
    return wrong
