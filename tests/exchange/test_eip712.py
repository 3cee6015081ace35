"""Order ids, signers and amounts against published values and independent code."""

from typing import Any

import pytest
from coincurve import PrivateKey
from eth_account import Account as Independent

from pmm_tui.core.units import SECOND
from pmm_tui.exchange.auth import Account
from pmm_tui.exchange.eip712 import (
    VerifiedOrder,
    domain_of,
    domain_separator,
    order_hash,
    recover,
    signed_of,
    struct_hash,
    verify_order,
    wallet_digest,
    wallets_of,
)
from tests.exchange.signing import API_KEY, EOA, KEY, YES, body, market, order, sign, signed

ME = Account(EOA.lower(), API_KEY)
PROXY, SAFE = "0x6Cd089333445c89b55B7693c6009DCc229613738", "0x75F00B003FBBBA193FABEB06284c3187a4C1232E"
UUPS, BEACON = "0x7a57144fAfde87F5cE4a880D570BAe58eeBC83f2", "0x8154deDBDAAA46c07453E47b5b6C0Ff60B8542b9"
WALLET = "0x57ffbc34De23124FAEb8387FCd689D314E57AccD"
STRANGER = "0x2222222222222222222222222222222222222222"
CTF, NEG, V3 = market(), market(neg_risk=True), market(protocol=3)
SELL = {"side": "SELL", "makerAmount": "10000000", "takerAmount": "5200000"}
GOLDEN = [
    (CTF, {}, "664f20394556ab34b634e9220d3fecf51043e586af17f294472066cfa19cb650",
     "912ac3c49645047de17f61b605c7056b0d3b87548ca38e7898e11444dde0844972b2269a320512a1a1deff79b7e567f02a8a5160e092fb1f39106b347a67dd431c"),
    (NEG, {}, "f4ec36d27b0343e3ed92f5f6fa7923f0bb0098fd49b8890b69e820a5873e0d3e",
     "79d246956c2d7d2f2f85330d1df2d27da521198a2cb2063b774c83b80b68ccce31b055b211657e7bd270bb6cf76ba5b9d1a264baeda974d4ef8c0cb9f76c28741c"),
    (V3, {}, "ba48875f6f124fc9dc500799aa6d9a6f23f88bab053dc9eca34b80d9ff9f253c",
     "c25d80bd1604a3c0ffa344a57d96b51635c82f84cc0f82b05e25c435cc5157dc15df18de7ce90f3dbe726288d3848bf084fec8f0f9cc715f0851c7684096d46b1b"),
    (CTF, SELL, "78dce55881c3c6466a3c0bab5f906d901278b9532a1ba8e1a4650dc52c6ea2d3",
     "1227dd71c805086ae5a19a9980cbe67abb4683009241c67afecb9d59b3c4781826bc62bf3266ca6529663e661aca32f40be4c9dece8885b57d4befc1c08773301c"),
]  # fmt: skip
WALLET_ID = "0x17f599525fb0c163b8444a7b61824e54af5fe53e59e026a1705d6ce6b29a29e7"
WALLET_INNER = (
    "1d6d91807ab91b0f63260b138dcc7997543e70b83ed67d1c1c22ae4e6937966b204a562ec38b7d0fb7db2d26e14c5fc891744030d0b2f982434cda0ce10580fa1b"
)


@pytest.mark.parametrize(("where", "changes", "oid", "signature"), GOLDEN)
def test_golden_orders_hash_and_verify(where: Any, changes: dict[str, Any], oid: str, signature: str) -> None:
    told = signed(order(**changes), where)
    assert told["signature"] == "0x" + signature
    good = verify_order(body(told), where, ME)
    assert isinstance(good, VerifiedOrder)
    assert (good.id, good.wallet, good.owner, good.token) == ("0x" + oid, EOA.lower(), API_KEY, YES)
    assert (good.price, good.size, good.budget, good.side) == (5_200, 10_000_000, 0, changes.get("side", "BUY"))


def test_golden_deposit_wallet_order_is_taken_for_a_registered_wallet_only() -> None:
    told = signed(order(maker=WALLET, signer=WALLET, signatureType=3), CTF)
    assert told["signature"][2:132] == WALLET_INNER and len(told["signature"]) == 636
    assert verify_order(body(told), CTF, ME) == "maker address not allowed"
    good = verify_order(body(told), CTF, ME, lambda wallet, eoa: (wallet, eoa) == (WALLET.lower(), EOA.lower()))
    assert isinstance(good, VerifiedOrder) and (good.id, good.wallet) == (WALLET_ID, WALLET.lower())


def test_the_official_deposit_wallet_vector() -> None:
    wallet = "0x" + "11" * 20
    plain = order(maker=wallet, signer=wallet, tokenId="1234", makerAmount="100000000", takerAmount="50000000", signatureType=3,
                  timestamp="1710000000000")  # fmt: skip
    domain = domain_separator("0xe111180000d2663c0091e4f400237545b87b996b", 2, chain=80002)
    assert domain.hex() == "a440cbd865bc0c6243d7a8df9a8bf48a8827b0a4abbb61c30e96d305423af148"
    contents = struct_hash(signed_of(plain))
    assert contents.hex() == "d23d42d3ad94e65d78258cecaf8dcbaddac0f73dc085040f2c12bb595dd83804"
    inner = (
        "a3a093c83b6c20c83355c16ce94c92e6e9fcbdeb840618cc74f6c57a42ad145b2b98db73d2c73cbf1f2b6af288566ae81960ddbc3a13921027358a8bff3be6ff1c"
    )
    signer = recover(wallet_digest(domain, contents, wallet, chain=80002), bytes.fromhex(inner))
    assert signer == "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"


def test_derived_wallets_are_the_published_ones() -> None:
    assert [wallets_of(EOA.lower(), kind) for kind in range(4)] == [
        (EOA.lower(),), (PROXY.lower(),), (SAFE.lower(),), (UUPS.lower(), BEACON.lower()),
    ]  # fmt: skip


@pytest.mark.parametrize(("kind", "wallet"), [(1, PROXY), (2, SAFE), (3, UUPS), (3, BEACON)])
@pytest.mark.parametrize("where", [CTF, NEG, V3])
def test_each_wallet_of_the_signer_may_trade(kind: int, wallet: str, where: Any) -> None:
    told = signed(order(maker=wallet, signer=wallet if kind == 3 else EOA, signatureType=kind), where)
    good = verify_order(body(told), where, ME)
    assert isinstance(good, VerifiedOrder) and good.wallet == wallet.lower()


def test_recovery_agrees_with_an_independent_signer() -> None:
    made = Independent.unsafe_sign_hash(b"\x05" * 32, b"\x11" * 32)
    assert recover(b"\x05" * 32, bytes(made.signature)) == EOA.lower()
    assert recover(b"\x05" * 32, b"") == recover(b"\x05" * 32, b"\xff" * 64 + b"\x1b") == ""
    assert recover(b"\x05" * 32, bytes(64) + b"\x1b") == ""


@pytest.mark.parametrize("at", [0, 64, 65, 96, 97, 128, 129, 314, 315, 316])
def test_every_part_of_a_wallet_signature_is_checked(at: int) -> None:
    told = signed(order(maker=BEACON, signer=BEACON, signatureType=3), CTF)
    raw = bytearray.fromhex(told["signature"][2:])
    raw[at] ^= 1
    assert verify_order(body(told | {"signature": "0x" + raw.hex()}), CTF, ME) == "invalid signature"


def test_a_session_signature_is_unwrapped_for_a_registered_key() -> None:
    told = signed(order(maker=WALLET, signer=WALLET, signatureType=3), CTF)
    inner = bytes.fromhex(told["signature"][2:])
    head = bytes(12) + bytes.fromhex(EOA[2:]) + bytes(32) + (96).to_bytes(32, "big") + (317).to_bytes(32, "big")
    wrapped = "0x" + (head + inner + bytes(3) + bytes.fromhex("6492" * 16)).hex()
    assert isinstance(verify_order(body(told | {"signature": wrapped}), CTF, ME, lambda *_: True), VerifiedOrder)
    foreign = wrapped.replace(EOA[2:].lower(), STRANGER[2:])
    assert verify_order(body(told | {"signature": foreign}), CTF, ME, lambda *_: True) == "invalid signature"


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"maker": STRANGER}, "maker address not allowed"),
    ({"maker": PROXY}, "maker address not allowed"),
    ({"maker": SAFE, "signatureType": 1}, "maker address not allowed"),
    ({"signer": STRANGER}, "the order signer address has to be the address of the API KEY"),
    ({"maker": BEACON, "signatureType": 3}, "the order signer address has to be the address of the API KEY"),
    ({"takerAmount": "0"}, "Invalid order payload"),
    ({"tokenId": "333"}, "Invalid order payload"),
    ({"makerAmount": "1300001", "takerAmount": "2500000"}, "breaks minimum tick size rule: 0.01"),
    ({"makerAmount": "5250000"}, "Price (0.525) breaks minimum tick size rule: 0.01"),
    ({"makerAmount": "10000000"}, "Price (1) breaks minimum tick size rule: 0.01"),
    (
        {"makerAmount": "520", "takerAmount": "1000"},
        "the buy orders maker amount supports a max accuracy of 4 decimals, taker amount a max of 2",
    ),
    ({"side": "SELL", "makerAmount": "1000", "takerAmount": "520"}, "the sell orders maker amount supports a max accuracy of 2 decimals"),
]


@pytest.mark.parametrize(("changes", "text"), REFUSED)
def test_wrong_orders_get_the_venues_text(changes: dict[str, Any], text: str) -> None:
    answer = verify_order(body(signed(order(**changes), CTF)), CTF, ME)
    assert isinstance(answer, str) and text in answer


def test_a_signature_for_another_exchange_or_by_another_key_is_refused() -> None:
    for told in (signed(order(), NEG), signed(order(), V3), signed(order(), CTF, PrivateKey(b"\x22" * 32))):
        assert verify_order(body(told), CTF, ME) == "invalid signature"
    changed = signed(order(), CTF) | {"makerAmount": "5300000"}
    assert verify_order(body(changed), CTF, ME) == "invalid signature"
    assert isinstance(verify_order(body(changed), CTF, ME, trusting=True), VerifiedOrder)


def test_old_orders_foreign_owners_and_broken_bodies() -> None:
    told = signed(order(), CTF)
    for gone in ("timestamp", "metadata", "builder"):
        assert verify_order(body({k: v for k, v in told.items() if k != gone}), CTF, ME) == "order_version_mismatch"
    assert verify_order(body(told | {"taker": STRANGER, "nonce": "0", "feeRateBps": "0"}), CTF, ME) == "order_version_mismatch"
    assert verify_order(body(told) | {"owner": "x"}, CTF, ME) == "the order owner has to be the owner of the API KEY"
    for broken in ({"salt": "1"}, {"salt": True}, {"side": "LONG"}, {"signature": "0xzz"}, {"makerAmount": 5}, {"maker": "0x1"}):
        assert verify_order(body(told | broken), CTF, ME) == "Invalid order payload"
    assert verify_order({"order": None, "owner": API_KEY}, CTF, ME) == "Invalid order payload"
    assert verify_order(body(told, "FOK", postOnly=True), CTF, ME) == "Invalid order payload"


def test_expiration_belongs_to_gtd_alone() -> None:
    told = signed(order(expiration="1713398999"), CTF)
    good = verify_order(body(told, "GTD", postOnly=True), CTF, ME)
    assert isinstance(good, VerifiedOrder) and good.expires == 1_713_398_999 * SECOND and good.post_only
    assert verify_order(body(told), CTF, ME) == "invalid expiration"
    assert verify_order(body(signed(order(), CTF), "GTD"), CTF, ME) == "invalid expiration"


def test_market_orders_count_dollars_and_find_their_tick() -> None:
    told = signed(order(makerAmount="10000000", takerAmount="17543800"), CTF)  # $10 at 0.57 is 17.54385...
    good = verify_order(body(told, "FAK"), CTF, ME)
    assert isinstance(good, VerifiedOrder) and (good.price, good.size, good.budget) == (5_700, 17_543_800, 10_000_000)
    sold = verify_order(body(signed(order(**SELL), CTF), "FOK"), CTF, ME)
    assert isinstance(sold, VerifiedOrder) and (sold.price, sold.size, sold.budget) == (5_200, 10_000_000, 0)
    fine = verify_order(body(signed(order(makerAmount="9633000", takerAmount="16900000"), CTF), "FOK"), CTF, ME)
    assert fine == ("invalid amounts, the market buy orders maker amount supports a max accuracy of 2 decimals, "
                    "taker amount a max of 4 decimals")  # fmt: skip


def test_one_bit_of_any_number_changes_the_id() -> None:
    base = order_hash(signed_of(order()), domain_of(CTF))
    others: list[dict[str, Any]] = [
              {"salt": 1}, {"makerAmount": "1"}, {"takerAmount": "1"}, {"timestamp": "1"}, {"tokenId": "1"}, {"signatureType": 1},
              {"maker": STRANGER}, {"signer": STRANGER}, {"metadata": "0x" + "1" * 64}, {"builder": "0x" + "1" * 64}]  # fmt: skip
    assert len({base, *(order_hash(signed_of(order(**other)), domain_of(CTF)) for other in others)}) == len(others) + 1
    assert len(sign(b"\x01" * 32, KEY)) == 65
