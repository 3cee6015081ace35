"""The local chain: contracts as compiled, trades as transactions, and every micro-dollar where the exchange says it is."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from pmm_tui.core.market import Fees, Market, Side
from pmm_tui.core.units import DOLLAR, ONE, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.contracts import POLYGON, artefacts
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.node import Anvil, NoNode, NotSettled, call, find_anvil
from pmm_tui.exchange.settlement import Settled, Settlement, address_of
from pmm_tui.exchange.terms import Lasts, Listed, Order, Part, Trade, TradeTold
from tests.runtime.scene import waited

MARKET = Market(
    id="0x" + "ab" * 32, slug="up", question="Up?", yes=str(2**255 + 7), no=str(2**254 + 9), tick=Price(100), min_size=SHARE,
    fees=Fees(rate=0.07, rebate_share=0.2),
)  # fmt: skip
NEG = structs.replace(MARKET, id="0x" + "cd" * 32, yes="1001", no="1002", neg_risk=True)
A, B, C = ("0x" + digit * 40 for digit in "abc")
PATIENCE_S = 60.0


@pytest.fixture(scope="module", autouse=True)
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One node for all of them, at this URL; without its program none of this can run."""
    try:
        program = find_anvil()
    except NoNode as missing:
        pytest.skip(str(missing))
    said = tmp_path_factory.mktemp("anvil") / "said"
    words = [str(program), "--host", "127.0.0.1", "--port", "0", "--chain-id", "137", "--accounts", "1", "--auto-impersonate"]
    with said.open("wb") as out, subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT) as child:
        try:
            waited(lambda: "Listening on " in said.read_text())
            yield "http://" + said.read_text().split("Listening on ")[1].split()[0]
        finally:
            child.terminate()


@pytest.fixture
async def told() -> list[Settled]:
    """What the settlement told."""
    return []


@pytest.fixture
async def chain(node: str, told: list[Settled]) -> AsyncIterator[Settlement]:
    """A chain with two markets and three wallets of $100 that gave every allowance; what a test does to it is undone."""
    settlement = await Settlement.open(node, told=told.append)
    before = await settlement.node.ask("evm_snapshot")
    try:
        await settlement.list_market(MARKET)
        await settlement.list_market(NEG)
        for wallet in (A, B, C):
            await settlement.fund(wallet, Cash(100 * DOLLAR), asset=Cash(5 * DOLLAR))
            await settlement.approve(wallet)
        yield settlement
    finally:
        assert await settlement.node.ask("evm_revert", before)
        await settlement.close()


def trade(side: Side, *parts: Part, price: int = 6_000, size: int = 10, fee: int = 0, market: Market = MARKET, name: str = "t1") -> Trade:
    """A takes YES."""
    return Trade(
        id=name, taker="o", owner="key", wallet=A, market=market.id, token=market.yes, side=side, price=Price(price),
        size=Size(size * SHARE), fee=Cash(fee), parts=parts, at=Nanos(0), updated=Nanos(0), status="MINED",
    )  # fmt: skip


def part(wallet: str, token: str, side: Side, price: int, size: int, owner: str = "key") -> Part:
    """A maker's part."""
    return Part("m" + wallet[2:6], owner, wallet, token, side, Price(price), Size(size * SHARE))


async def held(chain: Settlement, wallet: str, market: Market = MARKET) -> tuple[float, float, float]:
    """Dollars, YES and NO."""
    yes, no = await chain.shares(wallet, market.yes), await chain.shares(wallet, market.no)
    return await chain.cash(wallet) / DOLLAR, yes / SHARE, no / SHARE


async def supply(chain: Settlement) -> tuple[int, int]:
    """All pUSD there is, and the asset that the conditional tokens hold for the pairs outstanding."""
    return await chain.read(POLYGON.pusd, "totalSupply", ()), await chain.read(POLYGON.asset, "balanceOf", ("address",), POLYGON.tokens)


def test_the_artefacts_are_what_the_sources_compile_to(root: Path) -> None:
    folder = root / "pmm_tui" / "exchange" / "contracts"
    sources = sorted(folder.glob("*.vy"))
    assert [source.stem for source in sources] == sorted(artefacts().contracts)
    words = [str(Path(sys.executable).with_name("vyper")), "-f", "abi,bytecode", *map(str, sources)]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\n")
    said = [line for line in lines if line]
    for index, source in enumerate(sources):
        shipped = artefacts().contracts[source.stem]
        assert json.loads(said[2 * index]) == shipped.abi, source.name
        assert said[2 * index + 1] == shipped.bytecode, source.name


async def test_shares_change_hands_and_the_fee_stays_with_the_exchange(chain: Settlement) -> None:
    await chain.split(B, MARKET.id, Size(20 * SHARE))
    receipt = await chain.settle(trade(Side.BUY, part(B, MARKET.yes, Side.SELL, 6_000, 10), fee=168_000))
    assert receipt["status"] == "0x1"
    assert await held(chain, A) == (100 - 6 - 0.168, 10, 0)
    assert await held(chain, B) == (80 + 6, 10, 20)
    assert await held(chain, POLYGON.exchange) == (0.168, 0, 0)


@pytest.mark.parametrize("market", [MARKET, NEG], ids=["plain", "neg-risk"])
async def test_two_buyers_mint_a_pair_and_two_sellers_merge_it(chain: Settlement, market: Market) -> None:
    before = await supply(chain)
    await chain.settle(trade(Side.BUY, part(B, market.no, Side.BUY, 4_000, 10), market=market))
    assert await held(chain, A, market) == (94, 10, 0)
    assert await held(chain, B, market) == (96, 0, 10)
    assert await supply(chain) == (before[0] - 10 * DOLLAR, before[1] + 10 * DOLLAR)
    await chain.settle(trade(Side.SELL, part(B, market.no, Side.SELL, 3_500, 10), price=6_500, market=market))
    assert await held(chain, A, market) == (100.5, 0, 0)
    assert await held(chain, B, market) == (99.5, 0, 0)
    assert await supply(chain) == before


async def test_a_taker_meets_a_seller_and_a_minter_in_one_transaction(chain: Settlement) -> None:
    await chain.split(B, MARKET.id, Size(4 * SHARE))
    parts = (part(B, MARKET.yes, Side.SELL, 6_000, 4), part(C, MARKET.no, Side.BUY, 4_000, 6))
    await chain.settle(trade(Side.BUY, *parts))
    assert await held(chain, A) == (94, 10, 0)
    assert await held(chain, B) == (96 + 2.4, 0, 4)
    assert await held(chain, C) == (97.6, 0, 6)


async def test_what_is_mined_and_fails_is_undone_and_what_is_refused_changes_nothing(chain: Settlement, told: list[Settled]) -> None:
    mined = trade(Side.BUY, part(B, MARKET.no, Side.BUY, 4_000, 10), fee=1_000)
    chain.mirror(TradeTold(Nanos(1), mined))
    chain.mirror(TradeTold(Nanos(2), structs.replace(mined, status="FAILED")))
    chain.mirror(TradeTold(Nanos(3), trade(Side.BUY, part(B, MARKET.yes, Side.SELL, 6_000, 10), name="t2")))
    never_mined = trade(Side.BUY, part(B, MARKET.no, Side.BUY, 4_000, 10), name="t3")
    chain.mirror(TradeTold(Nanos(4), structs.replace(never_mined, status="FAILED")))
    async with asyncio.timeout(PATIENCE_S):
        await chain.settled()
    became = [(one.trade, one.status, bool(one.tx)) for one in told]
    assert became == [("t1", "MINED", True), ("t1", "FAILED", True), ("t2", "MINED", False)]
    assert "insufficient balance" in told[2].error
    assert await held(chain, A) == await held(chain, B) == (100, 0, 0)


async def test_without_an_allowance_the_chain_says_which(chain: Settlement) -> None:
    stranger = "0x" + "d" * 40
    await chain.fund(stranger, Cash(100 * DOLLAR))
    with pytest.raises(NotSettled, match="exceeds allowance"):
        await chain.settle(trade(Side.BUY, part(stranger, MARKET.no, Side.BUY, 4_000, 10)))


async def test_only_the_operator_settles_and_registers(chain: Settlement) -> None:
    for to, data in (
        (POLYGON.exchange, call("settle", ("bytes32", "uint256", "uint256", "(address,uint256,uint256)[]", "(address,uint256,uint256)[]"),
                                bytes(32), 0, 0, [(B, 0, 1)], [(A, 0, 1)])),
        (POLYGON.tokens, call("register", ("bytes32", "uint256", "uint256"), bytes(32), 5, 6)),
        (POLYGON.pusd, call("mint", ("address", "uint256"), A, 1)),
    ):  # fmt: skip
        with pytest.raises(NotSettled, match="only"):
            await chain.node.send(A, to, data)


@pytest.mark.parametrize(("payout", "paid"), [(ONE, 10), (Price(0), 0), (Price(5_000), 5)])
async def test_a_decided_market_is_redeemed(chain: Settlement, payout: Price, paid: float) -> None:
    await chain.settle(trade(Side.BUY, part(B, MARKET.no, Side.BUY, 4_000, 10)))
    with pytest.raises(NotSettled, match="not received"):
        await chain.redeem(A, MARKET.id)
    await chain.resolve(MARKET.id, payout)
    await chain.redeem(A, MARKET.id)
    await chain.redeem(B, MARKET.id)
    assert await held(chain, A) == (94 + paid, 0, 0)
    assert await held(chain, B) == (96 + 10 - paid, 0, 0)


async def test_the_chain_follows_the_matching_to_the_micro_dollar(chain: Settlement, told: list[Settled]) -> None:
    """Two wallets with keys and one participant of the exchange's own trade at random; a participant never lacks anything."""
    matching, random = Matching(Random(1)), Random(7)
    matching.list_market(MARKET, Nanos(1))
    for wallet in (A, B):
        matching.deposit(wallet, Cash(100 * DOLLAR))
    matching.wallet("crowd").unlimited = True
    at = 1
    for number in range(80):
        at += 1
        wallet = random.choice((A, B, "crowd"))
        token = random.choice((MARKET.yes, MARKET.no))
        side = random.choice((Side.BUY, Side.SELL))
        price, size = Price(100 * random.randint(35, 65)), Size(10_000 * random.randint(100, 900))
        name = f"0x{number:064x}"
        key = "" if wallet == "crowd" else wallet
        matching.place(Order(name, wallet, key, MARKET.id, token, side, price, size, Lasts.GTC, False, Nanos(at)), Nanos(at))
        matching.advance(Nanos(at := at + 60_000_000_000))
    facts = matching.take()
    for fact in facts:
        chain.mirror(fact)
    async with asyncio.timeout(PATIENCE_S):
        await chain.settled()
    assert chain.lost == 0 and not [one for one in told if one.error]
    assert len(told) == len(matching.trades) > 15
    for wallet in (A, B):
        assert await chain.cash(wallet) == matching.cash(wallet), wallet
        for token in (MARKET.yes, MARKET.no):
            assert await chain.shares(wallet, token) == matching.shares(wallet, token)


async def test_mirroring_never_waits_and_counts_what_it_must_drop() -> None:
    settlement = Settlement("http://127.0.0.1:9")
    for number in range(10_003):
        settlement.mirror(Listed(Nanos(number), MARKET))
    assert settlement.lost == 3
    await settlement.close()


async def test_a_second_settlement_finds_the_contracts_of_a_given_node(chain: Settlement) -> None:
    again = await Settlement.open(chain.url)
    assert await again.cash(A) == 100 * DOLLAR
    await again.close()
    assert await chain.cash(A) == 100 * DOLLAR


async def test_no_node_is_said_clearly() -> None:
    with pytest.raises(NoNode, match="does not answer"):
        await Settlement.open("http://127.0.0.1:9")


async def test_another_chain_is_not_taken() -> None:
    other = await Anvil.start(31337)
    try:
        with pytest.raises(NoNode, match="another chain than 137"):
            await Settlement.open(other.url)
    finally:
        await other.stop()


def test_where_anvil_is_missing_the_message_says_what_would_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoNode, match="anvil was not found"):
        find_anvil()


def test_a_participant_without_an_address_gets_one_of_its_own() -> None:
    assert address_of(A.upper().replace("0X", "0x")) == A
    assert address_of("maker") != address_of("noise") and len(address_of("maker")) == 42
