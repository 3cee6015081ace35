"""Faults on requests: what comes back, what was done, and that these are two things."""

import hashlib

import msgspec
import pytest

from pmm_tui.exchange.faults import NEVER, Verdict
from pmm_tui.exchange.terms import Answer, Ask
from tests.exchange.fault_scene import (
    BALANCE,
    BATCH,
    BEAT,
    BOOK,
    BOOK_BODY,
    CANCEL,
    CANCEL_ALL,
    EVERY,
    POST,
    START,
    TIME,
    UPGRADE,
    Venue,
    ask,
    faults,
    later,
    order,
    refusal,
    served,
    verdict,
)

# --- the order path -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "request_", "status", "carried"),
    [
        ("post_books_but_times_out", POST, None, 1),
        ("post_lost", POST, None, 0),
        ("error_5xx_booked", POST, 500, 1),
        ("error_5xx_unbooked", BATCH, 500, 0),
        ("html_error", BOOK, 502, 0),
        ("drop_connection", POST, None, 1),
        ("fill_before_answer", POST, 200, 1),
        ("heartbeat_lost", BEAT, None, 0),
        ("key_revoked", CANCEL, 401, 0),
        ("disabled", CANCEL_ALL, 503, 0),
        ("limited_layer1", BALANCE, 429, 0),
    ],
)
def test_causes_F21_F22_what_comes_back_and_what_was_done_are_two_things(
    what: str, request_: Ask, status: int | None, carried: int
) -> None:
    answer, done = served(verdict(what, request_), request_)
    assert (answer.status if answer else None, done) == (status, carried)


def test_causes_F29_an_answer_held_back_until_after_the_fill() -> None:
    judged = verdict("fill_before_answer", POST, ms=1_500)
    assert (judged.delay_ms, judged.late_ms, judged.hang) == (1_500, 0, False)
    assert verdict("fill_before_answer", CANCEL) == Verdict()


def test_causes_F31_a_cancel_that_nobody_answers_was_applied_or_not() -> None:
    many = faults({"what": "cancel_lost", "applied": 0.5})
    judged = [many.judge(CANCEL, START) for _ in range(200)]
    assert all(served(one, CANCEL)[0] is None for one in judged)
    assert 60 < sum(served(one, CANCEL)[1] for one in judged) < 140
    assert served(verdict("cancel_lost", CANCEL, applied=1), CANCEL) == (None, 1)
    assert served(verdict("cancel_lost", CANCEL, applied=0), CANCEL) == (None, 0)


@pytest.mark.parametrize(
    ("request_", "orders"), [(CANCEL, ["0x1"]), (ask("DELETE", "/orders", ["0x1", "0x2"]), ["0x1", "0x2"]), (CANCEL_ALL, [])]
)
def test_causes_F33_a_cancel_that_arrives_after_the_fill(request_: Ask, orders: list[str]) -> None:
    racing = faults({"what": "cancel_races_fill", "ms": 40, "part": 0.5, "times": 1})
    assert racing.judge(request_, later(1)).late_ms == 40
    assert racing.due() == later(1)
    assert racing.due_acts(later(1)) == [("cancel_races_fill", {"orders": orders, "part": 0.5})]
    assert racing.judge(request_, later(2)) == Verdict()
    assert (racing.due(), racing.due_acts(later(9))) == (NEVER, [])


def test_causes_F34_legs_of_a_batch_are_refused_one_by_one() -> None:
    partial = faults({"what": "batch_partial", "share": 0.5, "for": 10})
    said = [partial.refuse_leg(START) for _ in range(100)]
    assert set(said) == {"", "could not insert order"}
    assert partial.refuse_leg(later(11)) == ""
    assert partial.judge(BATCH, START) == Verdict()
    assert partial.struck == {"batch_partial": said.count("could not insert order")}


def test_causes_F35_the_leaked_sum_of_matched_orders() -> None:
    status, said = refusal(verdict("leaked_matched_sum", POST, balance=100, leak=95))
    assert status == 400
    assert said["error"] == (
        "not enough balance / allowance: the balance is not enough -> balance: 100000000, sum of active orders: 0, "
        "order amount (inc. fees): 5200000, sum of matched orders: 95000000"
    )
    assert verdict("leaked_matched_sum", POST, balance=100, leak=94) == Verdict()
    assert verdict("leaked_matched_sum", ask("POST", "/order", order(side="SELL"))) == Verdict()
    status, batch = refusal(verdict("leaked_matched_sum", BATCH))
    assert status == 200
    assert [(leg["orderID"], leg["success"], leg["errorMsg"][:30]) for leg in batch] == [("", True, "not enough balance / allowance")] * 2


def test_causes_F54_a_balance_that_does_not_move() -> None:
    stale = faults({"what": "stale_balance", "for": 60}, {"what": "stale_balance", "at": 100, "heeds_update": True})
    venue = Venue(b"1")

    def asked(at_s: float, request: Ask = BALANCE) -> bytes:
        answer = stale.judge(request, later(at_s)).carry(request, later(at_s), venue.answer)
        assert answer is not None
        return answer.body

    update = ask("GET", "/balance-allowance/update", query="asset_type=COLLATERAL")
    other = ask("GET", "/balance-allowance", query="asset_type=COLLATERAL", poly_address="0xcd")
    assert asked(0) == b"1"
    venue.body = b"2"
    asked(1, update)
    assert (asked(2), asked(2, other), asked(61)) == (b"1", b"2", b"2")
    assert asked(100) == b"2"
    venue.body = b"3"
    assert asked(101) == b"2"
    asked(102, update)
    assert asked(103) == b"3"


@pytest.mark.parametrize("text", ["invalid post-only order: order crosses book", "not enough balance / allowance"])
def test_causes_F35_F36_orders_refused_again_and_again(text: str) -> None:
    assert refusal(verdict("refuse_orders", POST, error=text)) == (400, {"error": text})
    status, batch = refusal(verdict("refuse_orders", BATCH, error=text))
    assert (status, [leg["errorMsg"] for leg in batch]) == (200, [text, text])
    assert verdict("refuse_orders", CANCEL) == Verdict()


# --- the doors ----------------------------------------------------------------------------------------------------------------------------


def test_causes_F23_a_restart_then_two_minutes_of_post_only() -> None:
    restart = faults({"what": "restart", "at": 10, "for": 90})
    taker = ask("POST", "/order", order(post_only=False))
    mixed = ask("POST", "/orders", [order(), order(post_only=False)])
    assert restart.judge(taker, later(9)) == Verdict()
    for request in (POST, BATCH, CANCEL, CANCEL_ALL):
        assert refusal(restart.judge(request, later(99.9)))[0] == 425
    assert restart.judge(BOOK, later(50)) == Verdict()
    for request in (POST, BATCH, CANCEL, CANCEL_ALL):
        assert restart.judge(request, later(100)) == Verdict()
    for request in (taker, mixed, ask("POST", "/order", None)):
        judged = restart.judge(request, later(141))
        assert refusal(judged) == (
            503,
            {
                "error": "post-only mode: only post-only orders and cancels are allowed",
                "code": "post_only_mode",
                "retry_after_seconds": 79,
            },
        )
        assert judged.before is not None
        assert judged.before.headers == {"retry-after": "79"}
    assert restart.judge(taker, later(220)) == Verdict()
    assert refusal(faults({"what": "restart"}).judge(POST, later(89)))[0] == 425  # about what the venue takes, where nothing is said


def test_causes_F25_F26_disabled_and_cancel_only() -> None:
    assert refusal(verdict("disabled", CANCEL))[1] == {"error": "Trading is currently disabled. Check polymarket.com for updates"}
    assert refusal(verdict("cancel_only", POST)) == (
        503,
        {"error": "Trading is currently cancel-only. New orders are not accepted, but cancels are allowed."},
    )
    for request in (CANCEL, CANCEL_ALL, BOOK):
        assert verdict("cancel_only", request) == Verdict()


def test_causes_F24_both_layers_of_throttling() -> None:
    front = verdict("limited_layer1", BOOK, retry_after_s=7).before
    assert front is not None
    assert (front.status, front.kind, front.headers) == (429, "text/html", {"server": "cloudflare", "retry-after": "7"})
    assert b"1015" in front.body
    assert front.body.startswith(b"<!DOCTYPE html>")

    own = verdict("limited_layer2", POST, retry_after_s=3)
    assert refusal(own) == (429, {"error": "Too Many Requests"})
    assert own.before is not None
    assert own.before.headers == {
        "retry-after": "3",
        "poly-ratelimit-remaining": "0",
        "poly-ratelimit-reset": "1780000003",
        "poly-ratelimit-tier": "Standard",
    }
    for of, limited in (("orders", (POST, BATCH)), ("cancels", (CANCEL, CANCEL_ALL)), ("both", (POST, BATCH, CANCEL, CANCEL_ALL))):
        assert [one for one in EVERY if verdict("limited_layer2", one, of=of).before] == list(limited)
    late = [faults({"what": "slow", "ms_min": 100, "ms": 5_000}, seed=seed).judge(POST, START).late_ms for seed in range(50)]
    assert 100 <= min(late) < 1_000 < 4_000 < max(late) <= 5_000


def test_a_page_in_html_may_be_asked_for_one_path_only() -> None:
    assert served(verdict("html_error", BALANCE, path="/balance"), BALANCE)[1] == 0
    page = verdict("html_error", BALANCE, path="/balance", status=520).before
    assert page is not None
    assert (page.status, page.kind) == (520, "text/html")
    assert verdict("html_error", BOOK, path="/balance") == Verdict()
    assert verdict("html_error", UPGRADE) == Verdict()


def test_causes_F55_an_error_on_the_second_page() -> None:
    second = faults({"what": "error_5xx_unbooked", "path": "/data/trades", "query": "next_cursor=Mg", "error": "Internal server error"})
    assert second.judge(ask("GET", "/data/trades", query="after=1"), START) == Verdict()
    assert refusal(second.judge(ask("GET", "/data/trades", query="after=1&next_cursor=Mg=="), START)) == (
        500,
        {"error": "Internal server error"},
    )


@pytest.mark.parametrize("status", [401, 403, 429])
def test_causes_F03_a_socket_refused(status: int) -> None:
    assert [one for one in EVERY if verdict("refuse_upgrade", one).before] == [UPGRADE]
    assert refusal(verdict("refuse_upgrade", UPGRADE, status=status))[0] == status


def test_causes_F37_F38_a_heartbeat_that_does_not_count() -> None:
    for how, status in (("401", 401), ("500", 500), ("mismatch", 400)):
        judged = verdict("heartbeat_lost", BEAT, how=how)
        assert (refusal(judged)[0], served(judged, BEAT)[1]) == (status, 0)
    said = refusal(verdict("heartbeat_lost", BEAT, how="mismatch"))[1]
    assert said["error_msg"] == "Invalid Heartbeat ID"
    assert len(said["heartbeat_id"]) == 36
    assert verdict("heartbeat_lost", POST) == Verdict()


def test_causes_F20_a_clock_that_is_off() -> None:
    assert refusal(verdict("clock_skew", TIME, skew_s=-7)) == (200, 1_779_999_993)
    assert verdict("clock_skew", POST, skew_s=9, tolerance_s=10) == Verdict()
    assert refusal(verdict("clock_skew", POST, skew_s=12, tolerance_s=10)) == (401, {"error": "Unauthorized/Invalid api key"})
    assert verdict("clock_skew", ask("POST", "/order", order(), poly_timestamp="1780000012"), skew_s=12) == Verdict()


def test_causes_F83_a_key_revoked() -> None:
    assert refusal(verdict("key_revoked", POST))[0] == 401
    assert verdict("key_revoked", POST, key="another") == Verdict()
    assert verdict("key_revoked", Ask("GET", "/book")) == Verdict()


def test_causes_F09_a_ghost_book_carries_its_own_right_hash() -> None:
    judged = verdict("ghost_book", BOOK)
    for body in (BOOK_BODY, b"[" + BOOK_BODY + b"]"):
        answer = judged.carry(BOOK, START, Venue(body).answer)
        assert answer is not None
        said = msgspec.json.decode(answer.body)
        book = said[0] if isinstance(said, list) else said
        assert (book["bids"], book["asks"]) == ([{"price": "0.01", "size": "2151131.59"}], [{"price": "0.99", "size": "218442.27"}])
        assert list(book) == list(msgspec.json.decode(BOOK_BODY))
        told = book["hash"]
        book["hash"] = ""
        assert told == hashlib.sha1(msgspec.json.encode(book), usedforsecurity=False).hexdigest()
    missing = Answer(404, b'{"error":"No orderbook exists for the requested token id"}')
    assert judged.carry(BOOK, START, lambda request, at: missing) is missing


def test_causes_F10_an_answer_that_is_old_when_it_comes() -> None:
    assert verdict("late_answers", BOOK, ms=2_000, path="/book").delay_ms == 2_000
    assert verdict("late_answers", POST, path="/book") == Verdict()


def test_causes_F41_a_neg_risk_flag_that_says_the_opposite() -> None:
    answer = verdict("wrong_neg_risk", BOOK).carry(BOOK, START, Venue(BOOK_BODY).answer)
    assert answer is not None
    assert answer.body == BOOK_BODY.replace(b'"neg_risk":false', b'"neg_risk":true')


def test_gamma_answers_from_a_cache_that_is_five_minutes_old() -> None:
    stale, venue = faults({"what": "stale_gamma"}), Venue(b"1")
    question = ask("GET", "/gamma/markets/keyset", query="limit=1")

    def asked(at_s: float, request: Ask = question) -> bytes:
        answer = stale.judge(request, later(at_s)).carry(request, later(at_s), venue.answer)
        assert answer is not None
        return answer.body

    assert asked(0) == b"1"
    venue.body = b"2"
    assert [asked(299), asked(299, BOOK), asked(300), asked(599)] == [b"1", b"2", b"2", b"2"]


def test_causes_F77_a_market_that_the_clob_does_not_know_yet() -> None:
    assert refusal(verdict("market_unready", BOOK, token="111"))[0] == 404
    assert verdict("market_unready", BOOK, token="222") == Verdict()
    assert refusal(verdict("market_unready", POST, token="111")) == (400, {"error": "the market is not yet ready to process new orders"})
    assert verdict("market_unready", POST, token="222") == Verdict()


def test_several_faults_at_once_add_up_and_the_first_answer_wins() -> None:
    both = faults(
        {"what": "slow", "ms": 10, "ms_min": 10}, {"what": "slow", "ms": 5, "ms_min": 5}, {"what": "cancel_only"}, {"what": "disabled"}
    )
    judged = both.judge(POST, START)
    assert judged.late_ms == 15
    assert "cancel-only" in refusal(judged)[1]["error"]
    assert both.struck == {"slow": 2, "cancel_only": 1, "disabled": 1}
