"""API keys and signed requests against published values."""

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.auth import BAD_L1, BAD_L2, Account, Keys, Refused, sign_l2
from pmm_tui.exchange.eip712 import auth_digest, recover
from pmm_tui.exchange.terms import Ask
from tests.exchange.signing import EOA, sign

T = 1_700_000_000
AT = Nanos(T * SECOND)
GOLDEN_L1 = (
    "0x0f08c184141f23f61012ba15fef7303dff47a1da48c10ae8a6737eff59618f6e568b2868fedf252be3eb6e80f3a5f09bfdf609cd8f1c9725f9862742b33dc5fc1b"
)


def l1(**changes: str) -> Ask:
    return Ask(
        "POST",
        "/auth/api-key",
        headers={"poly_address": EOA, "poly_signature": GOLDEN_L1, "poly_timestamp": str(T), "poly_nonce": "0"} | changes,
    )


def l2(keys: Keys, body: bytes = b'{"a":1}', **changes: str) -> Ask:
    made = keys.derive(EOA, 0)
    assert made is not None
    stamp = changes.get("poly_timestamp", str(T))
    told = {"poly_address": EOA, "poly_api_key": made.key, "poly_passphrase": made.passphrase, "poly_timestamp": stamp}
    told["poly_signature"] = sign_l2(made.secret, stamp, "POST", "/order", body)
    return Ask("POST", "/order", "x=1", told | changes, body)


def opened() -> Keys:
    keys = Keys()
    assert keys.create(EOA, 0) is not None
    return keys


def test_golden_wallet_signatures() -> None:
    assert Keys().check_l1(l1(), AT) == (EOA.lower(), 0)
    official = (
        "f62319a987514da40e57e2f4d7529f7bac38f0355bd88bb5adbb3768d80de6c1682518e0af677d5260366425f4361e7b70c25ae232aff0ab2331e2b164a1aedc1b"
    )
    them = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    assert recover(auth_digest(them, "10000000", 23, chain=80002), bytes.fromhex(official)) == them


def test_l1_refuses_what_the_wallet_did_not_sign() -> None:
    other = "0x" + sign(b"\x01" * 32).hex()
    for changes in (
        {"poly_nonce": "1"},
        {"poly_nonce": "-1"},
        {"poly_nonce": "x"},
        {"poly_address": "0x" + "22" * 20},
        {"poly_address": "0xzz"},
        {"poly_signature": other},
        {"poly_signature": "0x"},
        {"poly_signature": "q"},
        {"poly_timestamp": str(T + 1)},
        {"poly_timestamp": "soon"},
    ):
        assert Keys().check_l1(l1(**changes), AT) == Refused(BAD_L1)
    assert Keys().check_l1(Ask("POST", "/auth/api-key"), AT) == Refused(BAD_L1)


def test_keys_are_the_same_for_the_same_wallet_and_nonce() -> None:
    one, two = Keys(), Keys()
    made = one.create(EOA, 0)
    assert made is not None and made == two.create(EOA.lower(), 0) == one.derive(EOA, 0)
    assert one.create(EOA, 0) is None and one.derive(EOA, 1) is None
    assert one.create(EOA, 1) != made and len(one.of(EOA)) == 2
    other = Keys(b"other").create(EOA, 0)
    assert other is not None and other.secret != made.secret
    assert [len(part) for part in made.key.split("-")] == [8, 4, 4, 4, 12] and bytes.fromhex(made.passphrase)
    assert made.secret not in repr(made) + repr(one) and made.passphrase not in repr(made) + repr(one)


def test_golden_request_signatures() -> None:
    secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert sign_l2(secret, str(T), "GET", "/data/orders") == "NTt0e8XQzUuVTici5whIU-0NfgRXijqf0FarNw-ik2Q="
    assert sign_l2(secret, str(T), "DELETE", "/order", b'{"orderID":"0xabc"}') == "R6Zjd0XmcT575-SA5KWD9BUc-qkFqvudAxkHd3R1vpw="
    official = sign_l2("A" * 43 + "=", "1000000", "test-sign", "/orders", b'{"hash": "0x123"}')
    assert official == "ZwAdJKvoYRlEKDkNMwd5BuwNNtg93kNaR_oU2HrfVvc="


def test_l2_takes_the_exact_bytes_only() -> None:
    keys = opened()
    good = l2(keys)
    assert keys.check_l2(good, AT) == Account(EOA.lower(), good.headers["poly_api_key"])
    for bad in (
        Ask("POST", "/order", "x=1", good.headers, b'{"a": 1}'),
        Ask("DELETE", "/order", "", good.headers, good.body),
        Ask("POST", "/orders", "", good.headers, good.body),
        Ask("POST", "/order"),
        l2(keys, poly_passphrase="00"),
        l2(keys, poly_api_key="x"),
        l2(keys, poly_address="0x" + "22" * 20),
        l2(keys, poly_signature=""),
        l2(keys, poly_signature="\u00e9"),
        l2(keys, poly_timestamp="now"),
    ):
        assert keys.check_l2(bad, AT) == Refused(BAD_L2)


def test_l2_tolerates_some_clock_skew() -> None:
    keys = opened()
    keys.tolerance_s = 10
    for seconds, good in ((-10, True), (10, True), (-11, False), (11, False)):
        assert isinstance(keys.check_l2(l2(keys, poly_timestamp=str(T + seconds)), AT), Account) is good


def test_a_revoked_key_is_dead_everywhere() -> None:
    keys = opened()
    made, ask = keys.derive(EOA, 0), l2(keys)
    assert made is not None and keys.holder(made.key, made.secret, made.passphrase) == Account(EOA.lower(), made.key)
    assert keys.holder(made.key, made.secret, "x") is None
    assert keys.revoke(made.key) and not keys.revoke(made.key)
    assert keys.check_l2(ask, AT) == Refused(BAD_L2)
    assert keys.derive(EOA, 0) is None and keys.of(EOA) == [] and keys.holder(made.key, made.secret, made.passphrase) is None
