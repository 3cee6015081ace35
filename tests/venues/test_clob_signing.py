"""What the CLOB's client signs is what was published, for every kind of wallet, and the SDK is the one that it was written for."""

import dataclasses
import inspect
import json
import pickle
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from random import Random
from typing import Any

import polymarket
import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st
from msgspec.json import encode
from polymarket._internal import wallet as wallets
from polymarket._internal.actions import account, auth, order_heartbeats
from polymarket._internal.actions.orders import cancel, limit, market, orders, post, typed_data, types
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket._internal.l1_auth import sign_api_key_auth
from polymarket.clients._transport import AsyncTransport
from polymarket.models.types import TokenId
from polymarket.types import EvmAddress, HexString

from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import LOT, ONE, TICKS, Nanos, Price, Size
from pmm_tui.venues.clob import client, signing
from pmm_tui.venues.clob.client import SdkClob, amounts
from pmm_tui.venues.clob.keys import KeyUnfit
from pmm_tui.venues.clob.port import Clob, Signed
from pmm_tui.venues.clob.signing import NONE32, Envelope, Terms
from tests.venues.clob_scene import AT, EOA, MARKET, OWNER, PLACE, TOKEN, WALLET, keys, listed, placed, signer

FACTORIES = PRODUCTION_CONFIG.wallet_derivation
PROXY = wallets.derive_proxy_wallet_address(EOA, FACTORIES)
SAFE = wallets.derive_safe_wallet_address(EOA, FACTORIES)
DEPOSIT = wallets.derive_uups_deposit_wallet_address(EOA, FACTORIES)


def posted(signed: Signed) -> dict[str, Any]:
    """What a POST carries of it."""
    order, lasts, post_only = signed.body
    told: dict[str, Any] = json.loads(encode(Envelope(False, order, lasts, OWNER, post_only)))
    return told


# --- what is signed ---------------------------------------------------------------------------------------------------------------------

ORDER_TYPE = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,uint8 side,"
    "uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
TAIL = ORDER_TYPE.encode().hex() + "00ba"
"""What ends the signature of a deposit wallet (ERC-7739): the type that was signed, and its length."""
VECTORS = [
    pytest.param(
        {},
        {},
        "",
        None,
        "0x664f20394556ab34b634e9220d3fecf51043e586af17f294472066cfa19cb650",
        "0x912ac3c49645047de17f61b605c7056b0d3b87548ca38e7898e11444dde0844972"
        "b2269a320512a1a1deff79b7e567f02a8a5160e092fb1f39106b347a67dd431c",
        id="CTF",
    ),
    pytest.param(
        {"neg_risk": True},
        {},
        "",
        None,
        "0xf4ec36d27b0343e3ed92f5f6fa7923f0bb0098fd49b8890b69e820a5873e0d3e",
        "0x79d246956c2d7d2f2f85330d1df2d27da521198a2cb2063b774c83b80b68ccce31"
        "b055b211657e7bd270bb6cf76ba5b9d1a264baeda974d4ef8c0cb9f76c28741c",
        id="neg-risk",
    ),
    pytest.param(
        {"protocol": 3},
        {},
        "",
        None,
        "0xba48875f6f124fc9dc500799aa6d9a6f23f88bab053dc9eca34b80d9ff9f253c",
        "0xc25d80bd1604a3c0ffa344a57d96b51635c82f84cc0f82b05e25c435cc5157dc15"
        "df18de7ce90f3dbe726288d3848bf084fec8f0f9cc715f0851c7684096d46b1b",
        id="protocol 3",
    ),
    pytest.param(
        {},
        {"side": Side.SELL},
        "",
        None,
        "0x78dce55881c3c6466a3c0bab5f906d901278b9532a1ba8e1a4650dc52c6ea2d3",
        "0x1227dd71c805086ae5a19a9980cbe67abb4683009241c67afecb9d59b3c4781826"
        "bc62bf3266ca6529663e661aca32f40be4c9dece8885b57d4befc1c08773301c",
        id="sell",
    ),
    pytest.param(
        {},
        {},
        WALLET,
        3,
        "0x17f599525fb0c163b8444a7b61824e54af5fe53e59e026a1705d6ce6b29a29e7",
        "0x1d6d91807ab91b0f63260b138dcc7997543e70b83ed67d1c1c22ae4e6937966b20"
        "4a562ec38b7d0fb7db2d26e14c5fc891744030d0b2f982434cda0ce10580fa1b"
        "3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2"
        "a533b5495892900fe32c0e921877f4ac71e94d31dd3a441d2c901a263767c50a" + TAIL,
        id="deposit wallet",
    ),
]
"""The same order on every exchange, as three clients of the venue sign it: published vectors, key 0x11 x 32."""


@pytest.mark.parametrize(("of_market", "of_place", "wallet", "kind", "id_", "signature"), VECTORS)
def test_F40_the_published_vectors_hold(of_market: Any, of_place: Any, wallet: str, kind: int | None, id_: str, signature: str) -> None:
    signed = signer(wallet, kind).sign(placed(PLACE, **of_place), listed(**of_market), AT)
    assert (signed.order, signed.id) == (7, id_)
    assert signed.body[0].signature == signature


WALLETS = {"EOA": ("", None), "proxy": (PROXY, None), "Safe": (SAFE, None), "deposit wallet": (WALLET, 3)}


@pytest.mark.parametrize(("wallet", "kind"), list(WALLETS.values()), ids=list(WALLETS))
def test_another_client_of_the_venue_signs_every_order_the_same(wallet: str, kind: int | None) -> None:
    theirs = import_module("py_clob_client_v2.order_utils.exchange_order_builder_v2")
    signing = import_module("py_clob_client_v2.signer").Signer("0x" + "11" * 32, 137)
    ours, chance = SdkClob(keys(), wallet, kind, Random(3), lambda: Nanos(0)), Random(9)
    for neg_risk, protocol, contract in ((False, 2, "standard_exchange"), (True, 2, "neg_risk_exchange"), (False, 3, "exchange_v3")):
        builder = theirs.ExchangeOrderBuilderV2(getattr(PRODUCTION_CONFIG, contract), 137, signing, domain_version=str(protocol))
        for side in Side:
            price, size = Price(chance.randrange(100, ONE, 100)), Size(chance.randrange(5_000_000, 15_000_000, LOT))
            signed = ours.sign(placed(PLACE, side=side, price=price, size=size), listed(neg_risk=neg_risk, protocol=protocol), AT)
            body = posted(signed)["order"]
            fields = {name: value for name, value in body.items() if name != "signature"}
            wanted = builder.build_order_typed_data(theirs.OrderV2(**fields | {"side": side is Side.SELL}))
            assert signed.id == builder.build_order_hash(wanted)
            assert body["signature"] == builder.build_order_signature(wanted)


def test_the_body_is_the_venues_own_shape() -> None:
    signed = signer().sign(PLACE, MARKET, AT)
    body = posted(signed)
    zero = "0x" + "00" * 32
    assert body == {
        "deferExec": False,
        "order": {
            "builder": zero, "expiration": "0", "maker": EOA, "makerAmount": "5200000", "metadata": zero, "salt": 479249096354,
            "side": "BUY", "signature": signed.body[0].signature, "signatureType": 0, "signer": EOA, "takerAmount": "10000000",
            "timestamp": "1713398400000", "tokenId": TOKEN,
        },
        "orderType": "GTC",
        "owner": OWNER,
        "postOnly": True,
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "lasts"), [(Kind.GTC, "GTC"), (Kind.IOC, "FAK"), (Kind.FOK, "FOK")])
def test_only_post_only_says_so(kind: Kind, lasts: str) -> None:
    body = posted(signer().sign(placed(PLACE, kind=kind), MARKET, AT))
    assert body["orderType"] == lasts
    assert "postOnly" not in body


def test_a_seed_and_a_time_give_the_same_bytes_and_salts_fit_a_double() -> None:
    first, second = (SdkClob(keys(), "", None, Random(5), lambda: Nanos(0)) for _ in range(2))
    for place in (PLACE, placed(PLACE, side=Side.SELL)):
        assert first.sign(place, MARKET, AT) == second.sign(place, MARKET, AT)
        assert 0 <= first.sign(place, MARKET, AT).body[0].salt < 2**53
        second.sign(place, MARKET, AT)


@pytest.mark.parametrize("tick", TICKS)
def test_F42_every_price_of_every_grid_is_exact(tick: Price) -> None:
    market, sizes = listed(tick=tick), [Size(16_900_000), Size(5_000_000), Size(290_000), Size(999_990_000)]
    for n, price in enumerate(range(tick, ONE, tick)):
        size = sizes[n % len(sizes)]
        for side in Side:
            exact = {"price": Decimal(price).scaleb(-4), "size": Decimal(size).scaleb(-6), "tick_size": Decimal(tick).scaleb(-4)}
            sdk = limit._compute_limit_order_amounts(side=side.value, **exact)
            assert amounts(placed(PLACE, price=Price(price), size=size, side=side), market) == sdk


def test_F43_what_takes_at_once_counts_a_buy_in_whole_cents_and_never_pays_less_than_its_price() -> None:
    for price in range(100, 10_000, 700):
        for size in range(5_000_000, 15_000_000, 370_000):
            dollars, shares = amounts(placed(PLACE, price=Price(price), size=Size(size), kind=Kind.IOC), MARKET)
            assert dollars % 10_000 == 0
            assert shares % 100 == 0
            assert dollars <= price * size // 10_000 < dollars + 10_000
            assert Decimal(dollars) / shares >= Decimal(price) / 10_000
    assert amounts(placed(PLACE, kind=Kind.FOK, side=Side.SELL), MARKET) == (10_000_000, 5_200_000)


@pytest.mark.parametrize(
    "over",
    [
        {"price": Price(5250)},
        {"price": Price(0)},
        {"price": ONE},
        {"price": Price(50)},
        {"size": Size(0)},
        {"size": Size(5_005_000)},
        {"size": Size(-10_000)},
        {"token": "3"},
        {"size": LOT, "price": Price(100), "kind": Kind.IOC},
    ],
)
def test_what_is_off_the_grid_is_never_signed(over: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        signer().sign(placed(PLACE, **over), MARKET, AT)


def test_a_tick_that_the_venue_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="price"):
        amounts(PLACE, listed(tick=Price(400)))


# --- whose key, which wallet ------------------------------------------------------------------------------------------------------------


def test_the_signature_type_follows_from_the_wallet() -> None:
    factories = PRODUCTION_CONFIG.wallet_derivation
    owned = {
        EOA: 0,
        wallets.derive_proxy_wallet_address(EOA, factories): 1,
        wallets.derive_safe_wallet_address(EOA, factories): 2,
        wallets.derive_beacon_deposit_wallet_address(EOA, factories): 3,
        wallets.derive_uups_deposit_wallet_address(EOA, factories): 3,
    }
    for wallet, kind in owned.items():
        made = signer(wallet.lower())
        body, *_ = made.sign(PLACE, MARKET, AT).body
        assert (made.signature_type, made.wallet, body.maker) == (kind, wallet, wallet)
        assert body.signer == (wallet if kind == 3 else EOA)


@pytest.mark.fault("F81")
@pytest.mark.parametrize(("wallet", "kind"), [(WALLET, None), ("", 1), (EOA, 3)])
def test_a_wallet_that_the_key_does_not_control_is_refused(wallet: str, kind: int | None) -> None:
    with pytest.raises(KeyUnfit, match="does not sign for"):
        signer(wallet, kind)


SIGNERS = {wallet: signer(wallet) for wallet in ("", DEPOSIT)}


@given(
    salt=st.integers(0, 2**53 - 1), token=st.integers(0, 2**256 - 1), maker=st.integers(1, 2**200), taker=st.integers(1, 2**200),
    at=st.integers(0, 2**64), side=st.sampled_from(list(Side)), wallet=st.sampled_from(sorted(SIGNERS)),
)  # fmt: skip
def test_F40_an_order_is_hashed_as_the_sdk_does(salt: int, token: int, maker: int, taker: int, at: int, side: Side, wallet: str) -> None:
    pen, of, none = SIGNERS[wallet]._pen, EvmAddress(wallet or EOA), HexString(NONE32)
    unsigned = types.UnsignedOrder(
        chain_id=137, builder=none, exchange_address=EvmAddress(PRODUCTION_CONFIG.standard_exchange), expiration=0, maker=of, signer=of,
        maker_amount=maker, taker_amount=taker, metadata=none, order_type="GTC", salt=salt, side=side.value, timestamp=at,
        signature_type=3 if wallet else 0, token_id=TokenId(str(token)),
    )  # fmt: skip
    assert pen.contents(Terms(str(token), side is Side.SELL, maker, taker, at, salt)) == typed_data._order_contents_hash(unsigned)


def test_F40_a_token_of_more_than_256_bits_is_not_signed() -> None:
    with pytest.raises(ValueError, match="256 bits"):
        signer().sign(placed(PLACE, token=str(2**256)), listed(yes=str(2**256)), AT)


def test_F40_a_wrong_domain_stops_before_the_first_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(signing._SEPARATORS, (2, False), bytes(32))
    with pytest.raises(KeyUnfit, match="protocol 2, neg-risk False"):
        signer()


def test_F40_an_order_hashed_otherwise_than_by_the_general_encoder_stops_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "_TYPE_HASH", bytes(32))
    with pytest.raises(KeyUnfit, match="protocol 2, neg-risk False"):
        signer()


def test_F40_a_signature_of_another_key_stops_before_the_first_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "recover_message", lambda message, signature: WALLET)
    with pytest.raises(KeyUnfit, match="signature"):
        signer()


def test_F40_an_order_with_another_field_stops_before_the_first_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "NONE32", "0x" + "1" * 64)
    with pytest.raises(KeyUnfit, match="protocol 2, neg-risk False"):
        signer()


# --- the contract with the SDK ----------------------------------------------------------------------------------------------------------

CONTRACT: list[tuple[Callable[..., Any], str]] = [
    (market._compute_market_order_amounts, "amount price side tick_size"),
    (typed_data.build_order_typed_data, "order protocol_version"),
    (typed_data.build_order_signature, "order signature protocol_version"),
    (post.build_post_order_request, "signed_order owner_api_key"),
    (orders.create_signed_order, "order signature post_only"),
    (cancel.build_cancel_all_request, ""),
    (cancel.build_cancel_market_orders_request, "market asset_id token_id"),
    (account.build_list_open_orders_request, "asset_id token_id id market cursor"),
    (account.build_list_account_trades_request, "asset_id token_id id market maker_address after before cursor"),
    (account.build_get_order_request, "order_id"),
    (account.build_balance_allowance_request, "asset_type asset_id token_id signature_type"),
    (account.build_update_balance_allowance_request, "asset_type asset_id token_id signature_type"),
    (order_heartbeats.build_send_order_heartbeat_request, "heartbeat_id"),
    (auth.derive_api_key, "clob signature"),
    (auth.create_api_key, "clob signature"),
    (sign_api_key_auth, "signer chain_id timestamp nonce"),
    (wallets.try_classify_wallet_type, "signer wallet config"),
    (wallets.signature_type_for, "wallet_type"),
    (AsyncTransport.__init__, "self base_url options logger client header_resolver on_rate_limit_update"),
    (AsyncTransport.get_json, "self path params headers"),
    (AsyncTransport.post_json, "self path json params headers timeout"),
    (AsyncTransport.delete_json, "self path json params headers"),
]


@pytest.mark.parametrize(("function", "parameters"), CONTRACT, ids=lambda value: getattr(value, "__qualname__", ""))
def test_the_sdks_own_functions_are_those_that_this_was_written_for(function: Callable[..., Any], parameters: str) -> None:
    assert list(inspect.signature(function).parameters) == parameters.split()


def test_the_sdk_is_the_version_whose_inside_is_used_and_its_order_has_the_known_fields() -> None:
    assert polymarket.__version__ == "0.14.0"
    assert [field.name for field in dataclasses.fields(types.UnsignedOrder)] == [
        "chain_id",
        "builder",
        "exchange_address",
        "expiration",
        "maker",
        "maker_amount",
        "metadata",
        "order_type",
        "salt",
        "side",
        "signature_type",
        "signer",
        "taker_amount",
        "timestamp",
        "token_id",
        "protocol_version",
    ]
    assert (PRODUCTION_CONFIG.chain_id, PRODUCTION_CONFIG.clob_url) == (137, "https://clob.polymarket.com")


def test_the_client_is_the_port_and_its_keys_cannot_be_pickled() -> None:
    clob: Clob = signer()
    with pytest.raises(TypeError):
        pickle.dumps(clob)
    signed = clob.sign(PLACE, MARKET, AT)
    assert isinstance(signed, Signed)
    assert "11" * 32 not in repr(vars(clob)) + repr(clob) + repr(signed)


def test_fifteen_orders_are_signed_without_the_general_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes milliseconds an order, in which the loop hears nothing. How long it takes without it, the bench says."""
    clob = signer()

    def slow(*_: object, **__: object) -> None:
        raise AssertionError("the general encoder")

    for name in ("encode_typed_data", "Account"):
        monkeypatch.setattr(client, name, slow)
    monkeypatch.setattr(typed_data, "build_order_signature", slow)
    assert len({clob.sign(placed(PLACE, size=Size((5 + number) * 1_000_000)), MARKET, AT).id for number in range(15)}) == 15
