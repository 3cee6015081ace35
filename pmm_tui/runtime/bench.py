"""`pmm-tui bench`: medians and ranges over repeats, with what the machine is, as a table or as JSON."""

import os
import platform
import sys
from collections.abc import Callable
from statistics import median

import msgspec
from msgspec import Struct

import pmm_tui
from pmm_tui.runtime.bench_api import measure_api
from pmm_tui.runtime.bench_live import WALLETS, matching_rate, signing_ms
from pmm_tui.runtime.bench_road import measure_road
from pmm_tui.runtime.bench_tape import frames
from pmm_tui.runtime.bench_work import (
    SEED,
    NotMeasured,
    Paces,
    Replayed,
    decision_paces,
    decode_rate,
    delta_peak_mib,
    replay_delta,
    replay_demo,
    start_desk,
)

MARKETS = (1, 20, 200)
CALM_S = 0.25
"""How often the road's desk looks at its quotes at most, where not every frame is decided upon."""
INTERVALS = ((2.0, "quoting every 2 s"), (0.0, "quoting at every event"))


class Effort(Struct, frozen=True):
    """How much is done."""

    frames: int = 20_000
    steps: int = 20_000
    changes: int = 1_000_000
    trades: int = 30_000
    repeats: int = 5
    replays: int = 3
    signed: int = 500
    road_s: float = 20.0
    kills: int = 30
    api_s: float = 8.0
    api_rounds: int = 5


FULL = Effort()
QUICK = Effort(
    frames=2_000, steps=4_000, changes=100_000, trades=3_000, signed=100, road_s=5.0, kills=4, api_s=3.0, api_rounds=2
)  # fmt: skip


class Machine(Struct, frozen=True):
    """What was measured on."""

    cpus: int
    processor: str
    system: str
    python: str
    version: str
    """Of pmm-tui."""
    load_before: float
    """Processes that wanted to run, averaged over the minute before."""
    load_after: float = 0.0


class Figure(Struct, frozen=True):
    """One measured thing over its repeats."""

    name: str
    unit: str
    median: float
    low: float
    high: float
    repeats: int
    aim: float | None = None
    reached: bool | None = None
    """Whether the median is on the right side of the aim; None where there is no aim."""


class Report(Struct, frozen=True):
    """All of them."""

    machine: Machine
    effort: Effort
    figures: list[Figure]


def figure(name: str, unit: str, values: list[float], at_least: float | None = None, at_most: float | None = None) -> Figure:
    """Median and range of the repeats, held against an aim where there is one."""
    middle = median(values)
    reached = None
    if at_least is not None:
        reached = middle >= at_least
    elif at_most is not None:
        reached = middle <= at_most
    return Figure(name, unit, middle, min(values), max(values), len(values), at_least if at_least is not None else at_most, reached)


def run_bench(as_json: bool, quick: bool, api: bool = False) -> int:
    """Measure and print; `api`: only what faces cost. Exit code 0; ValueError where something that was to be timed did not do its work."""
    report = measure(QUICK if quick else FULL, lambda what: sys.stderr.write(f"{what} ...\n"), api)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n")
    else:
        sys.stdout.write(table(report) + "\n")
    return 0


def measure(effort: Effort, say: Callable[[str], object], api: bool = False) -> Report:
    """Do all the work, or the api's; `say` is told what comes next."""
    before = machine()
    figures: list[Figure] = []
    for what, work in (
        (("a desk with a crowd of faces", faces),)
        if api
        else (
            ("decoding", decoding),
            ("decisions", decisions),
            ("the demo's tape", demo),
            ("the generated tape", delta),
            ("a desk in a process of its own", desk),
            ("signing, and the exchange's matching", signing),
            ("the way from a frame to an order, and a kill", road),
        )
    ):
        say(what)
        figures += work(effort)
    return Report(msgspec.structs.replace(before, load_after=os.getloadavg()[0]), effort, figures)


def machine() -> Machine:
    """This one, now."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.release()}"
    return Machine(cpus, platform.processor() or platform.machine(), system, python, pmm_tui.__version__, os.getloadavg()[0])


def decoding(effort: Effort) -> list[Figure]:
    """Frames to book, without and with the hash check. A frame says one level for both tokens: two entries on the wire, one change."""
    told = frames(SEED, effort.frames)
    figures = []
    for hashed, name, aim in ((False, "decode + book", 400_000.0), (True, "decode + book + hash check", None)):
        rates = [decode_rate(told, hashed) for _ in range(effort.repeats)]
        figures.append(figure(f"{name}: frames", "frames/s", rates))
        figures.append(figure(f"{name}: level changes on the wire", "changes/s", [2 * rate for rate in rates], at_least=aim))
        figures.append(figure(f"{name}: level changes, both tokens as one", "changes/s", rates))
    return figures


def decisions(effort: Effort) -> list[Figure]:
    """A change of the touch through the engine to a decision, and the 100 ms tick."""
    figures = []
    for markets in MARKETS:
        paces = [decision_paces(markets, effort.steps) for _ in range(effort.repeats)]
        named = f"{markets} market{'s' if markets > 1 else ''}"
        aim = 150.0 if markets == 20 else None
        figures.append(figure(f"decision, {named}: p50", "us", [Paces.at(pace.decisions, 0.50) for pace in paces]))
        figures.append(figure(f"decision, {named}: p99", "us", [Paces.at(pace.decisions, 0.99) for pace in paces], at_most=aim))
        figures.append(figure(f"tick, {named}: p50", "us", [Paces.at(pace.ticks, 0.50) for pace in paces]))
        figures.append(figure(f"tick, {named}: p50 for each market", "us", [Paces.at(pace.ticks, 0.50) / markets for pace in paces]))
    return figures


def demo(effort: Effort) -> list[Figure]:
    """The shipped tape through the demo's desk."""
    rates = [replay_demo() for _ in range(effort.replays)]
    return [
        figure("replay of the demo's tape: frames, decoded", "events/s", [told for told, _ in rates]),
        figure("replay of the demo's tape: steps, ticks and answers counted", "steps/s", [steps for _, steps in rates]),
    ]


def delta(effort: Effort) -> list[Figure]:
    """The generated tape, four ways in turn, so that a machine that gets busier does so for all of them."""
    ways = [(interval, journal) for interval, _ in INTERVALS for journal in (False, True)]
    done: dict[tuple[float, bool], list[Replayed]] = {way: [] for way in ways}
    for _ in range(effort.replays):
        for interval, journal in ways:
            done[interval, journal].append(replay_delta(effort.changes, effort.trades, interval, journal))
    figures = []
    for interval, named in INTERVALS:
        for journal in (False, True):
            runs = done[interval, journal]
            aim = 200_000.0 if interval and not journal else None
            name = f"replay of the generated tape, {named}, journal {'on' if journal else 'off'}"
            figures.append(figure(name, "events/s", [run.rate for run in runs], at_least=aim))
            figures.append(figure(f"{name}: by processor time", "events/s", [run.cpu_rate for run in runs]))
        plain = done[interval, False]
        figures.append(figure(f"the same, {named}: last quarter's rate over the first's", "ratio", [run.flatness for run in plain]))
        figures.append(figure(f"the same, {named}: fills", "fills", [float(run.fills) for run in plain]))
    return figures


def desk(effort: Effort) -> list[Figure]:
    """The real program: from its start to the first order, and what memory it takes."""
    seen = [start_desk(to_the_end=number == 0) for number in range(effort.replays)]
    figures = [figure("start to the first quote, demo's desk", "s", [one.first_quote_s for one in seen])]
    if seen[0].peak_mib:  # 0 where the system does not tell it of another process
        figures.append(figure("peak memory, demo's desk", "MiB", [seen[0].peak_mib], at_most=150.0))
    figures.append(
        figure("peak memory, replay of the generated tape", "MiB", [delta_peak_mib(effort.changes, effort.trades)], at_most=150.0)
    )
    return figures


def signing(effort: Effort) -> list[Figure]:
    """One order built, signed and serialised up to the socket; and what the exchange's core takes."""
    figures = []
    for kind in WALLETS:
        took = [sorted(signing_ms(kind, effort.signed)) for _ in range(effort.repeats)]
        aim = 0.6 if kind == "eoa" else None
        figures.append(figure(f"build + sign + serialise an order, {kind}: p50", "ms", [one[len(one) // 2] for one in took], at_most=aim))
        figures.append(figure(f"build + sign + serialise an order, {kind}: p99", "ms", [one[len(one) * 99 // 100] for one in took]))
    rates = [matching_rate(effort.steps) for _ in range(effort.repeats)]
    return [*figures, figure("exchange: orders placed and cancelled, money counted", "orders/s", rates)]


def road(effort: Effort) -> list[Figure]:
    """Over loopback sockets, the exchange a process of its own."""
    seen, calm = measure_road(effort.road_s, effort.kills), sorted(measure_road(effort.road_s, 0, CALM_S).frame_to_post)
    waits, kills, failing = sorted(seen.frame_to_post), sorted(seen.kill_to_empty), sorted(seen.failing_to_empty)
    less = sorted(wait - disk for wait, disk in zip(seen.frame_to_post, seen.disk, strict=True))
    worked = sorted(seen.worked)
    if not waits or not kills or not calm:
        raise NotMeasured("no order was placed over the loopback sockets")
    return [
        figure("frame in to POST bytes out: p50", "ms", [waits[len(waits) // 2]], at_most=2.0),
        figure("frame in to POST bytes out: p99", "ms", [waits[len(waits) * 99 // 100]], at_most=8.0),
        figure("the same without the disk's fdatasync: p50", "ms", [less[len(less) // 2]], at_most=2.0),
        figure("the same without the disk's fdatasync: p99", "ms", [less[len(less) * 99 // 100]], at_most=8.0),
        figure("the same by processor time: p50", "ms", [worked[len(worked) // 2]]),
        figure("the same by processor time: p99", "ms", [worked[len(worked) * 99 // 100]]),
        figure("the same: frames", "frames/s", [seen.frames_a_second]),
        figure(f"frame in to POST bytes out, deciding every {CALM_S:g} s: p50", "ms", [calm[len(calm) // 2]], at_most=2.0),
        figure(f"frame in to POST bytes out, deciding every {CALM_S:g} s: p99", "ms", [calm[len(calm) * 99 // 100]], at_most=8.0),
        figure("kill to zero resting orders: worst", "ms", [kills[-1]], at_most=1_000.0),
        figure("kill to zero resting orders: p50", "ms", [kills[len(kills) // 2]]),
        figure("kill to zero resting orders, 30 % of requests failing: worst", "ms", [failing[-1]], at_most=10_000.0),
        figure("kill to zero resting orders, 30 % of requests failing: p50", "ms", [failing[len(failing) // 2]]),
    ]


def faces(effort: Effort) -> list[Figure]:
    """What faces cost a desk; the crowds take turns, and are compared within each round."""
    seen = measure_api(effort.api_s, effort.api_rounds)
    rounds = [dict(zip(("none", "one", "fifty"), seen.turns[at : at + 3], strict=True)) for at in range(0, len(seen.turns), 3)]
    figures = []
    for share in (0.50, 0.99):
        for named, faces in (("none", "no face"), ("one", "one face"), ("fifty", "50 faces, 25 of them reading nothing")):
            values = [one[named].wait_us(share) for one in rounds]
            figures.append(figure(f"fact to decision, {faces}: p{share * 100:.0f}", "us", values))
        ratios = [one["fifty"].wait_us(share) / one["none"].wait_us(share) for one in rounds]
        figures.append(figure(f"the same, 50 faces over none: p{share * 100:.0f}", "ratio", ratios, at_most=1.25 if share < 0.9 else 1.5))
    used = [100 * (one["fifty"].processor - one["none"].processor) for one in rounds]
    grown = [one["fifty"].rss_mib - one["none"].rss_mib for one in rounds]
    return [
        *figures,
        figure("processor time of a core for 50 faces", "%", used),
        figure("memory for 50 faces, beyond none", "MiB", grown, at_most=16.0),
        figure("pictures a second, 50 faces", "1/s", [one["fifty"].frames_per_s for one in rounds]),
        figure("one picture", "KiB", [seen.frame_kib]),
    ]


def table(report: Report) -> str:
    """For people."""
    facts = report.machine
    lines = [
        f"pmm-tui {facts.version} on {facts.cpus} x {facts.processor}, {facts.system}, {facts.python}, "
        f"load {facts.load_before:.1f} before, {facts.load_after:.1f} after",
        "",
        f"{'':<87}{'median':>12}{'low':>12}{'high':>12}  {'unit':<9}  aim",
    ]
    for one in report.figures:
        aim = "" if one.aim is None else f"{shown(one.aim)} {'reached' if one.reached else 'MISSED'}"
        lines.append(f"{one.name:<87}{shown(one.median):>12}{shown(one.low):>12}{shown(one.high):>12}  {one.unit:<9}  {aim}".rstrip())
    return "\n".join(lines)


def shown(value: float) -> str:
    """Three digits or whole numbers with their thousands."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


__all__ = ["Effort", "Figure", "NotMeasured", "Report", "measure", "run_bench", "table"]
