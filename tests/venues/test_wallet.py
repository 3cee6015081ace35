"""The wallet on a real node: what it reads, what each transaction does and costs, and every way it can go wrong."""

import asyncio
import os
from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from msgspec import structs
from polymarket._internal.actions.relayer import calls as sdk
from polymarket.environments import PRODUCTION
from polymarket.types import EvmAddress

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import DOLLAR, ONE, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.contracts import POLYGON
from pmm_tui.exchange.node import Anvil, NoNode, find_anvil
from pmm_tui.exchange.settlement import Settlement
from pmm_tui.exchange.terms import Part, Trade
from pmm_tui.runtime import purse
from pmm_tui.runtime.places import CannotStart
from pmm_tui.venues.clob.keys import PRIVATE_KEY
from pmm_tui.venues.clob.wallet import ChainTrouble, Gas, NoGas, NotMined, NotOurs, Reverted, Unreachable, Wallet, WrongChain
from tests.feeds.loopback import LoopMarket, running

MARKET = Market(
    id="0x" + "ab" * 32, slug="up", question="Up?", yes=str(2**255 + 7), no=str(2**254 + 9), tick=Price(100), min_size=SHARE
)
NEG = structs.replace(MARKET, id="0x" + "cd" * 32, slug="neg", yes="1001", no="1002", neg_risk=True)
THIRD = structs.replace(MARKET, protocol=3)
KEY: LocalAccount = Account.from_key("0x" + "11" * 32)
SHORT_S = 0.3


@pytest.fixture(scope="module", autouse=True)
def anvil() -> None:
    """Without the node's program none of this can run."""
    try:
        find_anvil()
    except NoNode as missing:
        pytest.skip(str(missing))


@pytest.fixture
async def chain() -> AsyncIterator[Settlement]:
    """A chain with two markets, and $100, $50 to be wrapped and 100 POL for the key's account."""
    settlement = await Settlement.open()
    try:
        for market in (MARKET, NEG):
            await settlement.list_market(market)
        await settlement.fund(KEY.address, Cash(100 * DOLLAR), asset=50 * DOLLAR)
        yield settlement
    finally:
        await settlement.close()


@pytest.fixture
async def wallet(chain: Settlement) -> AsyncIterator[Wallet]:
    """The key's own wallet."""
    one = await Wallet.open(chain.url, KEY.address, KEY)
    yield one
    await one.close()


async def approve_all(wallet: Wallet) -> list[Gas]:
    """Give every allowance."""
    return [(await wallet.send(wallet.approve(one))).gas for one in await wallet.allowances() if not one.given]


def test_the_calls_are_those_of_the_venues_own_client() -> None:
    wallet = Wallet("http://127.0.0.1:9", KEY.address, KEY)
    adapter, pusd = EvmAddress(POLYGON.adapter), EvmAddress(POLYGON.pusd)
    said = [wallet.split(MARKET, Size(7)), wallet.merge(MARKET, Size(8)), wallet.redeem(MARKET)]
    theirs = [
        sdk.ctf_split_position_call(target=adapter, collateral=pusd, condition_id=MARKET.id, amount=7),
        sdk.ctf_merge_positions_call(target=adapter, collateral=pusd, condition_id=MARKET.id, amount=8),
        sdk.ctf_redeem_positions_call(ctf=adapter, collateral=pusd, condition_id=MARKET.id),
    ]
    assert [(step.to, step.data) for step in said] == [(call.to, call.data) for call in theirs]
    assert wallet.split(NEG, Size(7)).to == POLYGON.neg_risk_adapter


def test_the_addresses_are_those_of_the_venues_own_client() -> None:
    theirs = PRODUCTION._config
    assert (POLYGON.chain_id, POLYGON.pusd, POLYGON.tokens) == (theirs.chain_id, theirs.collateral_token, theirs.conditional_tokens)
    assert (POLYGON.exchange, POLYGON.neg_risk_exchange) == (theirs.standard_exchange, theirs.neg_risk_exchange)
    assert (POLYGON.adapter, POLYGON.neg_risk_adapter) == (theirs.collateral_adapter, theirs.neg_risk_collateral_adapter)
    assert (POLYGON.exchange_v3, POLYGON.router) == (theirs.exchange_v3, theirs.protocol_v2_router)
    assert POLYGON.position_manager == theirs.position_manager


async def test_holdings_are_the_chains(chain: Settlement, wallet: Wallet) -> None:
    held = await wallet.holdings((MARKET.yes, MARKET.no))
    assert (held.pusd, held.asset, held.pol_wei) == (100 * DOLLAR, 50 * DOLLAR, 10**20)
    assert held.shares == ((MARKET.yes, 0), (MARKET.no, 0))
    assert await wallet.pol_usd() == 0.25


async def test_allowances_are_given_one_by_one_and_only_the_missing(wallet: Wallet) -> None:
    before = await wallet.allowances()
    assert len(before) == 12 and not any(one.given for one in before)
    mined = await wallet.send(wallet.approve(before[0]))
    assert [one.spender for one in await wallet.allowances() if one.given] == ["exchange"]
    assert 40_000 < mined.gas.units < 60_000 and mined.gas.usd is not None and mined.gas.usd == round(mined.gas.wei / 10**18 * 250_000)
    assert len(await approve_all(wallet)) == 11
    assert all(one.given for one in await wallet.allowances())


async def test_dollars_are_wrapped_and_unwrapped(wallet: Wallet) -> None:
    for step in wallet.wrap(Cash(20 * DOLLAR)):
        await wallet.send(step)
    held = await wallet.holdings()
    assert (held.pusd, held.asset) == (120 * DOLLAR, 30 * DOLLAR)
    for step in wallet.unwrap(Cash(5 * DOLLAR)):
        await wallet.send(step)
    held = await wallet.holdings()
    assert (held.pusd, held.asset) == (115 * DOLLAR, 35 * DOLLAR)


@pytest.mark.parametrize("market", [MARKET, NEG], ids=["plain", "neg-risk"])
async def test_a_pair_is_split_merged_and_redeemed(chain: Settlement, wallet: Wallet, market: Market) -> None:
    await approve_all(wallet)
    tokens = (market.yes, market.no)
    await wallet.send(wallet.split(market, Size(10 * SHARE)))
    held = await wallet.holdings(tokens)
    assert (held.pusd, held.shares) == (90 * DOLLAR, ((market.yes, 10 * SHARE), (market.no, 10 * SHARE)))
    await wallet.send(wallet.merge(market, Size(4 * SHARE)))
    held = await wallet.holdings(tokens)
    assert (held.pusd, held.shares) == (94 * DOLLAR, ((market.yes, 6 * SHARE), (market.no, 6 * SHARE)))
    with pytest.raises(Reverted, match="result for condition not received yet"):
        await wallet.estimate(wallet.redeem(market))
    await chain.resolve(market.id, Price(ONE))
    mined = await wallet.send(wallet.redeem(market))
    held = await wallet.holdings(tokens)
    assert (held.pusd, held.shares) == (100 * DOLLAR, ((market.yes, 0), (market.no, 0)))
    assert 0 < mined.gas.units < 500_000


async def test_the_estimate_covers_what_is_paid(wallet: Wallet) -> None:
    await approve_all(wallet)
    step = wallet.split(MARKET, Size(SHARE))
    before = (await wallet.holdings()).pol_wei
    guess = await wallet.estimate(step)
    mined = await wallet.send(step)
    assert mined.gas.units <= guess.units and mined.gas.wei <= guess.wei
    assert before - (await wallet.holdings()).pol_wei == mined.gas.wei


async def test_the_allowances_given_are_those_that_trades_need(chain: Settlement, wallet: Wallet) -> None:
    await approve_all(wallet)
    other = "0x" + "b" * 40
    await chain.fund(other, Cash(100 * DOLLAR))
    await chain.approve(other)
    for side, price in ((Side.BUY, 6_000), (Side.SELL, 7_000)):
        part = Part("m", "key", other, MARKET.no, side, Price(ONE - price), Size(10 * SHARE))
        await chain.settle(
            Trade(
                id="t", taker="o", owner="key", wallet=KEY.address.lower(), market=MARKET.id, token=MARKET.yes, side=side,
                price=Price(price), size=Size(10 * SHARE), fee=Cash(0), parts=(part,), at=Nanos(0), updated=Nanos(0),
            )
        )  # fmt: skip
    held = await wallet.holdings((MARKET.yes,))
    assert (held.pusd, held.shares) == (101 * DOLLAR, ((MARKET.yes, 0),))


async def test_sending_side_by_side_uses_each_nonce_once(wallet: Wallet) -> None:
    missing = (await wallet.allowances())[:5]
    mined = await asyncio.gather(*(wallet.send(wallet.approve(one)) for one in missing))
    assert len({one.tx for one in mined}) == 5
    assert all(one.given for one in (await wallet.allowances())[:5])


# --- what goes wrong --------------------------------------------------------------------------------------------------------------------


async def test_what_a_contract_refuses_is_not_sent_and_says_why(wallet: Wallet) -> None:
    before = (await wallet.holdings()).pol_wei
    with pytest.raises(Reverted, match="exceeds allowance"):
        await wallet.send(wallet.split(MARKET, Size(SHARE)))
    await approve_all(wallet)
    with pytest.raises(Reverted, match="exceeds balance"):
        await wallet.send(wallet.split(MARKET, Size(101 * SHARE)))
    with pytest.raises(Reverted, match="insufficient balance"):
        await wallet.send(wallet.merge(MARKET, Size(SHARE)))
    assert before > (await wallet.holdings()).pol_wei > before - 10**18


async def test_without_coin_for_gas_nothing_is_sent(chain: Settlement, wallet: Wallet) -> None:
    step = wallet.approve((await wallet.allowances())[0])
    await chain.node.ask("anvil_setBalance", KEY.address, "0x1")
    with pytest.raises(NoGas, match="POL"):
        await wallet.send(step)


async def test_gas_that_is_far_too_dear_is_not_paid(chain: Settlement, wallet: Wallet) -> None:
    step = wallet.approve((await wallet.allowances())[0])
    await chain.node.ask("anvil_setNextBlockBaseFeePerGas", hex(10_000 * 10**9))
    await chain.node.ask("anvil_mine", "0x1")
    with pytest.raises(NoGas, match="gwei"):
        await wallet.send(step)


async def test_what_is_not_mined_in_time_is_told_with_its_hash_and_may_still_be(chain: Settlement) -> None:
    wallet = await Wallet.open(chain.url, KEY.address, KEY, mined_s=SHORT_S)
    step = wallet.approve((await wallet.allowances())[0])
    await chain.node.ask("evm_setAutomine", False)
    with pytest.raises(NotMined) as told:
        await wallet.send(step)
    await chain.node.ask("anvil_mine", "0x1")
    receipt = await chain.node.ask("eth_getTransactionReceipt", told.value.tx)
    assert receipt["status"] == "0x1" and (await wallet.allowances())[0].given
    await wallet.close()


async def test_a_wallet_that_is_not_the_keys_own_is_read_and_never_sent_for(chain: Settlement) -> None:
    deposit = "0x" + "d" * 40
    await chain.fund(deposit, Cash(3 * DOLLAR))
    wallet = await Wallet.open(chain.url, deposit, KEY)
    assert (await wallet.holdings()).pusd == 3 * DOLLAR
    with pytest.raises(NotOurs, match="relayer"):
        await wallet.send(wallet.approve((await wallet.allowances())[0]))
    await wallet.close()
    keyless = await Wallet.open(chain.url, deposit)
    with pytest.raises(NotOurs, match="no key"):
        await keyless.send(keyless.approve((await keyless.allowances())[0]))
    await keyless.close()


def test_a_market_of_protocol_v2_is_left_alone() -> None:
    with pytest.raises(NotOurs, match="Protocol V2"):
        Wallet("http://127.0.0.1:9", KEY.address, KEY).split(THIRD, Size(SHARE))


async def test_another_chain_and_a_node_that_is_gone() -> None:
    other = await Anvil.start(31337)
    try:
        with pytest.raises(WrongChain, match="chain 31337"):
            await Wallet.open(other.url, KEY.address, KEY)
        empty = await Wallet.open(other.url, KEY.address, KEY, structs.replace(POLYGON, chain_id=31337))
        assert await empty.pol_usd() is None
        with pytest.raises(ChainTrouble):
            await empty.holdings()
    finally:
        await other.stop()
    with pytest.raises(Unreachable):
        await empty.holdings()
    await empty.close()


async def test_a_nodes_failure_never_shows_its_address() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"<html>no</html>"
        status = HTTPStatus.FORBIDDEN
        writer.write(b"HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n" % (status, status.phrase.encode(), len(body)) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(Unreachable) as told:
        await Wallet.open(f"http://127.0.0.1:{port}/v2/secret-key-of-the-node", KEY.address, KEY)
    assert "secret" not in repr(told.value) and told.value.__cause__ is None
    server.close()


# --- the command ------------------------------------------------------------------------------------------------------------------------


def test_only_a_node_on_this_machine_is_confirmed_by_a_flag() -> None:
    here, away = "http://127.0.0.1:8545", "https://polygon.example/rpc"
    purse.confirm(purse.Wish(yes=True), here, KEY.address, None)
    purse.confirm(purse.Wish(), away, KEY.address, lambda _: KEY.address[-4:].upper())
    with pytest.raises(CannotStart, match="on this machine"):
        purse.confirm(purse.Wish(yes=True), away, KEY.address, None)
    with pytest.raises(CannotStart, match="nothing was sent"):
        purse.confirm(purse.Wish(), here, KEY.address, None)
    with pytest.raises(CannotStart, match="nothing was sent"):
        purse.confirm(purse.Wish(), away, KEY.address, lambda _: "nope")


async def test_a_plan_says_what_is_missing_and_merges_all_pairs(chain: Settlement, wallet: Wallet) -> None:
    for action, missing in (("wrap", "how many dollars"), ("split", "of which market"), ("redeem", "of which market")):
        with pytest.raises(CannotStart, match=missing):
            await purse.plan(wallet, purse.Wish(action), None)
    with pytest.raises(CannotStart, match="how many pairs"):
        await purse.plan(wallet, purse.Wish("merge"), MARKET)
    for step in await purse.plan(wallet, purse.Wish("approve"), None):
        await wallet.send(step)
    assert await purse.plan(wallet, purse.Wish("approve"), None) == []
    for wish in (purse.Wish("split", amount="3.5"), purse.Wish("merge")):
        for step in await purse.plan(wallet, wish, MARKET):
            await wallet.send(step)
    assert (await wallet.holdings((MARKET.yes, MARKET.no))).shares == ((MARKET.yes, 0), (MARKET.no, 0))


async def test_what_is_shown_is_what_there_is(wallet: Wallet) -> None:
    await wallet.send(wallet.approve((await wallet.allowances())[0]))
    lines: list[str] = []
    await purse.show(wallet, MARKET, False, lines.append)
    page = "\n".join(lines)
    assert KEY.address in page and "at $0.2500" in page and "100" in page
    assert page.count("NOT given") == 11 and page.count(" given") == 12
    assert "would be refused: ERC20: transfer amount exceeds allowance" in page
    asked: list[str] = []
    await purse.show(wallet, None, True, asked.append)
    assert '"pusd": 100000000' in asked[0]


@pytest.fixture
async def desk(chain: Settlement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A live profile of this machine whose node is the chain and whose Gamma knows one market."""
    told = LoopMarket(1)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv(PRIVATE_KEY, "11" * 32)
    async with running(told) as venue:
        await chain.list_market(structs.replace(MARKET, id=told.id, yes=told.yes, no=told.no))
        lines = (Path(__file__).parents[2] / "profiles" / "local-prod.yaml").read_text("utf-8").splitlines()
        kept = [line for line in lines if not line.startswith(("gamma_url", "rpc_url"))]
        file = tmp_path / "mine.yaml"
        file.write_text("\n".join([*kept, f"gamma_url: {venue.http_url}", f"rpc_url: {chain.url}", ""]), "utf-8")
        yield str(file)


async def command(file: str, wish: purse.Wish) -> str:
    """What the command says; it has a loop of its own, and so a thread."""
    lines: list[str] = []
    os.environ[PRIVATE_KEY] = "11" * 32  # each command takes it out
    code = await asyncio.to_thread(purse.purse, file, wish, lambda: "", lines.append, lambda text: None, None)
    assert code == 0
    return "\n".join(lines)


async def test_the_command_approves_splits_and_merges(chain: Settlement, wallet: Wallet, desk: str) -> None:
    said = await command(desk, purse.Wish("approve", yes=True))
    assert said.count("mined in block") == 12
    assert await command(desk, purse.Wish("approve", yes=True)) == "nothing to do: every allowance is given"
    assert "mined in block" in await command(desk, purse.Wish("split", "market-1", "10", yes=True))
    assert (await wallet.holdings()).pusd == 90 * DOLLAR
    page = await command(desk, purse.Wish("show", "market-1"))
    assert "NOT given" not in page and page.count("10   shares") == 2 and "split           at most" in page
    assert "mined in block" in await command(desk, purse.Wish("merge", LoopMarket(1).id, yes=True))
    assert "wrap USDC.e: mined" in await command(desk, purse.Wish("wrap", amount="50", yes=True))
    assert (await wallet.holdings()).pusd == 150 * DOLLAR


async def test_the_command_sends_nothing_without_a_yes(wallet: Wallet, desk: str) -> None:
    with pytest.raises(CannotStart, match="nothing was sent"):
        await command(desk, purse.Wish("approve"))
    with pytest.raises(CannotStart, match="holds only 100"):
        await command(desk, purse.Wish("unwrap", amount="1000", yes=True))
    with pytest.raises(CannotStart, match="no market is called"):
        await command(desk, purse.Wish("redeem", "nothing-such", yes=True))
    with pytest.raises(CannotStart, match="expected one of"):
        await command(desk, purse.Wish("burn"))
    assert not any(one.given for one in await wallet.allowances())


def test_a_paper_profile_has_no_wallet() -> None:
    with pytest.raises(CannotStart, match="only a profile of mode live"):
        purse.purse("demo", purse.Wish(), lambda: "", print, print, None)
