"""Virtual time: hours pass at once and in order, httpx and the venue's own client keep their timeouts in it, and a seed repeats itself."""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import httpx
import pytest
from polymarket.clients._transport import AsyncTransport
from polymarket.errors import RateLimitError, RequestRejectedError, TransportError

from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.exchange.fault_script import parse
from pmm_tui.exchange.faults import Faults, Verdict
from pmm_tui.exchange.terms import Answer, Ask
from pmm_tui.runtime.virtual import Deadlock, InProcess, Judge, Network, VirtualLoop, clock, run, untouched

START = Nanos(1_780_000_000 * SECOND)
HOUR = 3_600


class Ledger:
    """A venue of one page: it counts what it carried out."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Ask]] = []

    def answer(self, ask: Ask, at: Nanos) -> Answer:
        self.asked.append((at - START, ask))
        return Answer(200, b'{"count":%d}' % len(self.asked), {"X-Seen": "yes"})


def client(ledger: Ledger, judge: Judge = untouched, seed: int = 1, jitter_ms: float = 0.0) -> AsyncTransport:
    """The venue's own transport, as its client builds it, over the ledger: 20 ms there and 20 back."""
    transport = InProcess(ledger.answer, Network(Random(seed), jitter_ms=jitter_ms), judge)
    timeout = httpx.Timeout(connect=5.0, read=10.0, write=10.0, pool=2.0)
    return AsyncTransport(base_url="http://venue", client=httpx.AsyncClient(transport=transport, base_url="http://venue", timeout=timeout))


def always(verdict: Verdict) -> Callable[[Ask, Nanos], Verdict]:
    return lambda ask, at: verdict


async def fails_after(work: Coroutine[Any, Any, Any]) -> tuple[type[BaseException] | None, float]:
    """What came out of the transport, and after how many virtual seconds."""
    began = clock()
    try:
        await work
    except TransportError as wrong:
        cause = wrong.__cause__
        return type(cause) if cause else None, round((clock() - began) / SECOND, 6)
    return None, round((clock() - began) / SECOND, 6)


# --- the loop -----------------------------------------------------------------------------------------------------------------------------


def test_hours_pass_at_once_and_in_order() -> None:
    log: list[tuple[int, str]] = []

    async def sleeper(name: str, waits: list[float]) -> None:
        for wait_s in waits:
            await asyncio.sleep(wait_s)
            log.append(((clock() - START) // SECOND, name))

    async def both() -> None:
        await asyncio.gather(sleeper("a", [HOUR, 2 * HOUR, 96 * HOUR]), sleeper("b", [2 * HOUR, HOUR / 2, 1]))

    run(both(), START)
    assert log == [(HOUR, "a"), (2 * HOUR, "b"), (9_000, "b"), (9_001, "b"), (3 * HOUR, "a"), (99 * HOUR, "a")]


def test_the_clock_is_the_loops_and_only_grows() -> None:
    async def look() -> list[int]:
        seen: list[int] = [clock()]
        for wait_s in (0.0, 1e-9, 1e-3, 0.1, 1 / 3, 1e5):
            await asyncio.sleep(wait_s)
            seen.append(clock())
        assert asyncio.get_running_loop().time() == (clock() - START) / SECOND
        return seen

    seen = run(look(), START)
    assert seen[0] == seen[1] == START  # a turn of the loop takes no time
    assert seen == sorted(seen)
    assert 0 <= seen[-1] - START - 100_000_434_333_334 < 2_000


def test_a_deadlock_names_who_waits() -> None:
    async def stuck() -> None:
        asyncio.current_task().set_name("the one who waits")  # type: ignore[union-attr]  # inside a coroutine there is a task
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match=r"nothing is ready and no timer is set; waiting: the one who waits"):
        run(stuck(), START)


def test_a_task_that_never_waits_is_found() -> None:
    async def spin() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.turns_max = 1_000
        await asyncio.sleep(1)
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Deadlock, match=r"at 1.000000000 s time stands still: 1000 turns"):
        run(spin(), START)


def test_what_a_plain_callback_raises_ends_the_run() -> None:
    async def trip() -> None:
        asyncio.get_running_loop().call_later(5, lambda: [].pop())
        await asyncio.sleep(HOUR)

    with pytest.raises(IndexError):
        run(trip(), START)


def test_work_for_a_thread_is_done_in_place() -> None:
    async def work() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(sum, [1, 2, 3]) + clock() - START

    assert run(work(), START) == 6


def test_timeouts_are_virtual_too() -> None:
    async def late() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), HOUR)
        return asyncio.get_running_loop().time()

    assert run(late(), START) == HOUR


def test_there_is_no_virtual_clock_in_a_real_loop() -> None:
    async def ask() -> None:
        with pytest.raises(RuntimeError, match="no virtual time"):
            clock()

    asyncio.run(ask())


# --- HTTP ---------------------------------------------------------------------------------------------------------------------------------


def test_the_venues_transport_talks_to_an_exchange_in_process() -> None:
    ledger = Ledger()

    async def talk() -> None:
        transport = client(ledger)
        assert await transport.get_json("/book", params={"token_id": "12 3"}) == {"count": 1}
        assert await transport.post_json("/order", json={"a": "ü"}, headers={"POLY_ADDRESS": "0xab"}) == {"count": 2}
        assert (clock() - START) == 80_000_000  # twice 20 ms there and 20 ms back

    run(talk(), START)
    (first_at, first), (second_at, second) = ledger.asked
    assert (first_at, second_at) == (20_000_000, 60_000_000)
    assert (first.method, first.path, first.query) == ("GET", "/book", "token_id=12+3")
    assert (second.method, second.body, second.headers["poly_address"]) == ("POST", b'{"a":"\\u00fc"}', "0xab")


@pytest.mark.parametrize(
    ("verdict", "failure", "after_s", "carried"),
    [
        (Verdict(hang=True), httpx.ReadTimeout, 10.0, 1),
        (Verdict(before=Answer(0, b""), hang=True), httpx.ReadTimeout, 10.0, 0),
        (Verdict(drop=True), httpx.RemoteProtocolError, 0.04, 1),
        (Verdict(before=Answer(0, b""), drop=True), httpx.RemoteProtocolError, 0.04, 0),
        (Verdict(delay_ms=2_000), None, 2.04, 1),
        (Verdict(delay_ms=20_000), httpx.ReadTimeout, 10.0, 1),
        (Verdict(late_ms=1_500), None, 1.54, 1),
    ],
)
def test_a_verdict_as_the_venues_client_sees_it(
    verdict: Verdict, failure: type[BaseException] | None, after_s: float, carried: int
) -> None:
    ledger = Ledger()
    out, took_s = run(fails_after(client(ledger, always(verdict)).post_json("/order", json={})), START)
    assert (out, took_s, len(ledger.asked)) == (failure, after_s, carried)


def test_a_request_that_left_arrives_though_nobody_waits_any_more() -> None:
    ledger = Ledger()

    async def give_up() -> int:
        out, took_s = await fails_after(client(ledger, always(Verdict(late_ms=30_000))).post_json("/order", json={}))
        assert (out, took_s) == (httpx.ReadTimeout, 10.0)
        before = len(ledger.asked)
        await asyncio.sleep(HOUR)
        return before

    assert run(give_up(), START) == 0
    assert [at for at, _ in ledger.asked] == [30_020_000_000]


@pytest.mark.parametrize(("cut", "failure", "after_s"), [("refused", httpx.ConnectError, 0.02), ("silent", httpx.ConnectTimeout, 5.0)])
def test_a_cut_network(cut: str, failure: type[BaseException], after_s: float) -> None:
    ledger = Ledger()

    async def cut_off() -> tuple[type[BaseException] | None, float]:
        network = Network(Random(1), jitter_ms=0)
        network.cut = cut
        limits = httpx.Timeout(connect=5.0, read=10.0, write=10.0, pool=2.0)
        http = httpx.AsyncClient(transport=InProcess(ledger.answer, network), base_url="http://venue", timeout=limits)
        found = await fails_after(AsyncTransport(base_url="http://venue", client=http).get_json("/time"))
        network.cut = ""
        assert (await http.get("/time")).headers["x-seen"] == "yes"
        return found

    assert run(cut_off(), START) == (failure, after_s)
    assert len(ledger.asked) == 1


def test_the_venues_client_reads_the_faults_as_the_venue_means_them() -> None:
    script = parse([{"what": "limited_layer2", "at": 0, "for": 5, "retry_after_s": 3}, {"what": "restart", "at": 5, "for": 5}])

    async def trade() -> None:
        faults = Faults(script, Random(1), START)
        transport = client(Ledger(), faults.judge)
        with pytest.raises(RateLimitError) as limited:
            await transport.post_json("/order", json={"postOnly": True})
        assert limited.value.retry_after == 3
        assert limited.value.rate_limit is not None
        assert limited.value.rate_limit.remaining == 0
        await asyncio.sleep(6)
        for restriction in ("restarting", "post_only"):
            with pytest.raises(RequestRejectedError) as refused:
                await transport.post_json("/order", json={})
            assert refused.value.restriction == restriction
            await asyncio.sleep(6)
        assert await transport.post_json("/order", json={"postOnly": True}) == {"count": 1}

    run(trade(), START)


def test_the_exchanges_own_defect_reaches_whoever_asked() -> None:
    def broken(ask: Ask, at: Nanos) -> Answer:
        raise KeyError("a defect")

    async def ask() -> None:
        http = httpx.AsyncClient(transport=InProcess(broken, Network(Random(1))))
        with pytest.raises(KeyError, match="a defect"):
            await http.get("http://venue/time")
        with pytest.raises(httpx.ReadTimeout):
            await http.get("http://venue/time", timeout=0.001)
        await asyncio.sleep(1)  # nobody waits for the second: it ends the run

    with pytest.raises(KeyError, match="a defect"):
        run(ask(), START)


# --- determinism --------------------------------------------------------------------------------------------------------------------------


def wild_run(seed: int) -> list[tuple[int, str]]:
    """Four traders, a hundred requests each, with faults: everything that happened and when."""
    log: list[tuple[int, str]] = []
    kinds = ["post_books_but_times_out", "error_5xx_booked", "slow", "html_error", "drop_connection", "fill_before_answer"]
    script = parse([{"seed": seed, "rate": 60, "until": 120, "mean_s": 2, "only": kinds}])

    async def trader(name: str, transport: AsyncTransport) -> None:
        for number in range(100):
            try:
                said = str(await transport.post_json("/order", json={"trader": name, "number": number}))
            except (TransportError, RequestRejectedError) as wrong:
                said = type(wrong.__cause__ or wrong).__name__
            log.append((clock() - START, f"{name}{number} {said}"))
            await asyncio.sleep(0.5)

    async def all_of_them() -> None:
        transport = client(Ledger(), Faults(script, Random(script.seed), START).judge, seed, jitter_ms=30)
        await asyncio.gather(*(trader(name, transport) for name in "abcd"))

    run(all_of_them(), START)
    return log


def test_the_same_seed_twice_is_the_same_log() -> None:
    first = wild_run(5)
    assert first == wild_run(5)
    assert first != wild_run(6)
    assert len(first) == 400
    outcomes = {said.split()[1] for _, said in first}
    assert {"{'count':", "ReadTimeout", "RemoteProtocolError", "RequestRejectedError"} <= outcomes


def test_nothing_on_the_way_asks_the_real_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only two rooms look at it, and neither waits by it: the jar for the age of cookies, and Retry-After where it is a date."""
    askers: set[str] = set()

    def watched(name: str) -> Callable[..., Any]:
        real = getattr(time, name)

        def asked(*given: Any) -> Any:
            askers.add(sys._getframe(1).f_globals["__name__"])
            return real(*given)

        return asked

    ledger = Ledger()

    async def talk() -> None:
        with monkeypatch.context() as patch:
            for name in ("time", "time_ns", "monotonic", "monotonic_ns", "sleep"):
                patch.setattr(time, name, watched(name))
            transport = client(ledger, jitter_ms=20)
            await asyncio.gather(*(transport.get_json("/book", params={"token_id": str(number)}) for number in range(20)))
            assert (await fails_after(client(ledger, always(Verdict(hang=True))).get_json("/time")))[0] is httpx.ReadTimeout
            with pytest.raises(RateLimitError):
                await client(ledger, always(Verdict(before=Answer(429, b"", {"retry-after": "1"})))).get_json("/time")

    run(talk(), START)
    assert len(ledger.asked) == 21
    assert askers == {"http.cookiejar", "polymarket.clients._transport"}


def test_real_time_does_not_move_the_virtual_clock() -> None:
    loop = VirtualLoop(START)
    try:
        before = (loop.now, loop.time())
        sum(range(100_000))
        assert (loop.now, loop.time()) == before == (START, 0.0)
    finally:
        loop.close()
