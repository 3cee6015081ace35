"""What the published clients sign, as the exchange judges it."""

import json
from typing import Any

import py_clob_client.client as v1
import py_clob_client_v2.client as v2
import pytest
from py_clob_client.order_builder.builder import OrderBuilder as OldBuilder
from py_clob_client_v2.clob_types import CreateOrderOptions, OrderArgs
from py_clob_client_v2.order_builder.builder import OrderBuilder
from py_clob_client_v2.signer import Signer

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.auth import Account, Keys
from pmm_tui.exchange.eip712 import VerifiedOrder, verify_order, wallets_of
from pmm_tui.exchange.terms import Ask
from tests.exchange.signing import API_KEY, EOA, YES, market

ME = Account(EOA.lower(), API_KEY)
SECRET = "0x" + "11" * 32


def headers(told: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): str(value) for name, value in told.items()}


@pytest.mark.parametrize("where", [market(), market(neg_risk=True)], ids=["ctf", "neg-risk"])
@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_orders_of_py_clob_client_v2_verify(kind: int, where: Any) -> None:
    funder = wallets_of(EOA.lower(), kind)[-1]
    builder = OrderBuilder(Signer(SECRET, 137), kind, funder)
    terms = OrderArgs(token_id=YES, price=0.52, size=10, side="BUY")
    made = builder.build_order(terms, CreateOrderOptions(tick_size="0.01", neg_risk=where.neg_risk), 2)
    told = json.loads(json.dumps(v2.order_to_json_v2(made, API_KEY, "GTC")))
    good = verify_order(told, where, ME)
    assert isinstance(good, VerifiedOrder) and (good.wallet, good.price, good.size) == (funder, 5_200, 10_000_000)


def test_orders_of_py_clob_client_are_of_a_dead_version() -> None:
    client = v1.ClobClient("http://127.0.0.1:9", 137, SECRET)
    terms = v1.OrderArgs(token_id=YES, price=0.52, size=10, side="BUY")
    builder = OldBuilder(client.signer)
    made = builder.create_order(terms, v1.CreateOrderOptions(tick_size="0.01", neg_risk=False))
    told = json.loads(json.dumps(v1.order_to_json(made, API_KEY, "GTC", False)))
    assert verify_order(told, market(), ME) == "order_version_mismatch"


@pytest.mark.parametrize("lib", [v1, v2], ids=["py-clob-client", "py-clob-client-v2"])
def test_their_wallet_signatures_make_keys(lib: Any) -> None:
    signer = lib.ClobClient("http://127.0.0.1:9", 137, SECRET).signer
    told = headers(lib.create_level_1_headers(signer, 7))
    ask = Ask("POST", "/auth/api-key", headers=told)
    assert Keys().check_l1(ask, Nanos(int(told["poly_timestamp"]) * SECOND)) == (EOA.lower(), 7)
