"""The production venue's real client in virtual time: each fault of the exchange is the trouble that it is, and a seed repeats itself."""

import asyncio
import sys
import time
from collections.abc import Callable
from random import Random
from typing import Any

import httpx
import pytest

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.fault_script import KINDS, parse
from pmm_tui.exchange.faults import Faults
from pmm_tui.exchange.terms import Answer, Ask
from pmm_tui.runtime.virtual import InProcess, Network, clock, run
from pmm_tui.venues.clob.client import SdkClob, make
from pmm_tui.venues.clob.port import Closed, Limited, Refused, Silent, Trouble, Unauthorized
from tests.venues.clob_scene import EOA, ID, MARKET, PLACE, keys

START = Nanos(1_780_000_000 * SECOND)
YES = b'{"errorMsg":"","orderID":"%s","takingAmount":"","makingAmount":"","status":"live","success":true}' % ID.encode()


class Venue:
    """Takes every order and every cancel, and knows how many orders it took."""

    def __init__(self) -> None:
        self.booked = 0

    def answer(self, ask: Ask, at: Nanos) -> Answer:
        if ask.path == "/order" and ask.method == "POST":
            self.booked += 1
            return Answer(200, YES)
        if ask.method == "DELETE":
            return Answer(200, b'{"canceled":["%s"],"not_canceled":{}}' % ID.encode())
        if ask.path == "/v1/heartbeats":
            return Answer(200, b'{"heartbeat_id":"11111111-2222-3333-4444-555555555555"}')
        return Answer(200, b"%d" % (at // SECOND))


async def desk(venue: Venue, faults: Faults, seed: int = 1) -> SdkClob:
    """The real client, with everything of it but the sockets."""
    transport = InProcess(venue.answer, Network(Random(seed)), faults.judge)
    http = httpx.AsyncClient(transport=transport, base_url="http://venue", timeout=httpx.Timeout(5.0, connect=3.0))
    return await make(keys(), http=http, chance=Random(seed), clock=clock)


async def said(work: Any) -> tuple[type[BaseException] | None, float]:
    """How it ended, and after how many seconds."""
    began = clock()
    try:
        await work
    except Trouble as trouble:
        return type(trouble), round((clock() - began) / SECOND, 3)
    return None, round((clock() - began) / SECOND, 3)


@pytest.mark.parametrize(
    ("entry", "trouble", "after_s", "booked"),
    [
        ({"what": "post_books_but_times_out"}, Silent, 5.0, 1),
        ({"what": "post_lost"}, Silent, 5.0, 0),
        ({"what": "error_5xx_booked"}, Silent, 0.05, 1),
        ({"what": "error_5xx_booked", "status": 503}, Silent, 0.05, 1),
        ({"what": "drop_connection"}, Silent, 0.05, 1),
        ({"what": "drop_connection", "booked": False}, Silent, 0.05, 0),
        ({"what": "slow", "ms_min": 9_000, "ms": 9_000}, Silent, 5.0, 0),
        ({"what": "html_error"}, Silent, 0.05, 0),
        ({"what": "fill_before_answer", "ms": 2_000}, None, 2.05, 1),
        ({"what": "restart"}, Closed, 0.05, 0),
        ({"what": "cancel_only"}, Closed, 0.05, 0),
        ({"what": "disabled"}, Closed, 0.05, 0),
        ({"what": "limited_layer1"}, Limited, 0.05, 0),
        ({"what": "limited_layer2"}, Limited, 0.05, 0),
        ({"what": "key_revoked"}, Unauthorized, 0.05, 0),
        ({"what": "clock_skew", "skew_s": 60}, Unauthorized, 0.05, 0),
    ],
)
def test_causes_F21_F22_F23_F24_F25_F26_an_order_in_trouble(
    entry: dict[str, Any], trouble: type[Trouble] | None, after_s: float, booked: int
) -> None:
    venue = Venue()

    async def post() -> None:
        clob = await desk(venue, Faults(parse([{"at": 0, **entry}]), Random(1), START))
        how, took_s = await said(clob.post([clob.sign(PLACE, MARKET, clock())]))
        assert (how, venue.booked) == (trouble, booked)
        assert took_s == pytest.approx(after_s, abs=0.011)
        await clob.close()

    run(post(), START)


def test_causes_F37_heartbeats_in_trouble() -> None:
    async def beat() -> None:
        for how, trouble in (("silence", Silent), ("500", Silent), ("401", Unauthorized), ("mismatch", Refused)):
            clob = await desk(Venue(), Faults(parse([{"at": 0, "what": "heartbeat_lost", "how": how}]), Random(1), START))
            assert (await said(clob.beat("")))[0] is trouble, how
        clob = await desk(Venue(), Faults())
        assert await clob.beat("") == "11111111-2222-3333-4444-555555555555"
        assert await clob.server_time_s() == clock() // SECOND

    run(beat(), START)


def day(seed: int) -> tuple[list[tuple[int, str]], int]:
    """Orders and cancels under faults of every kind that strikes requests: what happened, when, and how many were booked."""
    log: list[tuple[int, str]] = []
    venue = Venue()
    only = [name for name, kind in KINDS.items() if kind.strikes == "ask"]
    faults = Faults(parse([{"seed": seed, "rate": 20, "until": 300, "mean_s": 4, "only": only}]), Random(seed), START)

    async def work(clob: SdkClob, name: str) -> None:
        while clock() - START < 300 * SECOND:
            signed = clob.sign(PLACE, MARKET, clock())
            for what, call in ((f"post {signed.id}", clob.post([signed])), ("cancel", clob.cancel([ID])), ("beat", clob.beat(""))):
                log.append((clock() - START, f"{name} {what} {await said(call)}"))
            await asyncio.sleep(0.5)

    async def all_of_it() -> None:
        clob = await desk(venue, faults, seed)
        await asyncio.gather(*(work(clob, name) for name in "ab"))

    run(all_of_it(), START)
    return log, venue.booked


def test_five_minutes_of_everything_twice_the_same_and_by_no_other_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    askers: set[str] = set()

    def watched(name: str) -> Callable[..., Any]:
        real = getattr(time, name)

        def asked(*given: Any) -> Any:
            askers.add(sys._getframe(1).f_globals["__name__"])
            return real(*given)

        return asked

    first = day(3)
    with monkeypatch.context() as patch:
        for name in ("time", "time_ns", "monotonic", "monotonic_ns", "sleep"):
            patch.setattr(time, name, watched(name))
        assert day(3) == first
    assert day(4) != first
    assert askers <= {"http.cookiejar", "polymarket.clients._transport"}
    log, booked = first
    assert 0 < booked < len(log)
    ends = {text.rsplit("(", 1)[1].split(",")[0] for _, text in log}
    troubles = {f"<class 'pmm_tui.venues.clob.port.{name}'>" for name in ("Silent", "Closed", "Limited", "Unauthorized", "Refused")}
    assert ends == {"None"} | troubles
    assert keys().account.address == EOA
