"""`pmm-tui simulate`: seeds of the simulation over all cores, with what each failing one broke and how to see it again."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from pmm_tui.record.simulate import Outcome, run_seed

TOLD_EVERY_S = 1.0
CHUNK = 8
"""Seeds that one process takes at a time."""


def simulate_seeds(first: int, count: int, jobs: int, venue: str = "paper") -> int:
    """Run `count` seeds from `first` on in `jobs` processes (0: one for each core). Exit code 0 where every invariant held, else 1.

    venue: paper, or clob: the production desk against the exchange with its faults. Failing seeds and the summary go to stdout, progress to
    stderr. ValueError for another venue.
    """
    run = _runner(venue)
    seeds = range(first, first + count)
    processes = min(jobs or os.cpu_count() or 1, count)
    if processes == 1:
        return _told(map(run, seeds), count, venue)
    # Spawned: a fork of a process that runs threads, as a test runner does, can hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return _told(pool.map(run, seeds, chunksize=CHUNK), count, venue)


def _runner(venue: str) -> Callable[[int], Outcome]:
    if venue == "paper":
        return run_seed
    if venue != "clob":
        raise ValueError(f"--venue: found {venue[:20]!r}; allowed: paper, clob")
    from pmm_tui.runtime import drill  # it brings the signer along

    return drill.run_seed


def _told(outcomes: Iterable[Outcome], count: int, venue: str) -> int:
    """Say what becomes of each seed; the exit code."""
    begun = time.monotonic()
    failed, steps = 0, 0
    counts: Counter[str] = Counter()
    for outcome in _watched(outcomes, count):
        steps += outcome.steps
        counts.update(outcome.counts)
        if outcome.broken:
            failed += 1
            sys.stdout.write(_failure(outcome, venue))
            sys.stdout.flush()
    seconds = time.monotonic() - begun
    verdict = f"{failed} of {count} seeds FAILED" if failed else f"{count} seeds: every invariant held after every step"
    met = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
    sys.stdout.write(f"{verdict}\n{steps} facts in {seconds:.1f} s: {met}\n")
    return 1 if failed else 0


def _failure(outcome: Outcome, venue: str) -> str:
    again = f"pmm-tui simulate --first {outcome.seed} --seeds 1" + ("" if venue == "paper" else f" --venue {venue}")
    return f"seed {outcome.seed} FAILED after {outcome.at}\n  {outcome.broken}\n  to see it again: {again}\n"


def _watched(outcomes: Iterable[Outcome], count: int) -> Iterator[Outcome]:
    """The same, with progress on stderr: on a terminal in place, else a line at each tenth."""
    shown, tenth = time.monotonic(), 0
    terminal = sys.stderr.isatty()
    for done, outcome in enumerate(outcomes, 1):
        if terminal and (time.monotonic() - shown >= TOLD_EVERY_S or done == count):
            shown = time.monotonic()
            sys.stderr.write(f"\r{done} of {count} seeds" + ("\n" if done == count else ""))
            sys.stderr.flush()
        elif not terminal and done * 10 // count > tenth:
            tenth = done * 10 // count
            sys.stderr.write(f"{done} of {count} seeds\n")
        yield outcome
