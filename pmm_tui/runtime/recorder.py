"""`pmm-tui record`: raw frames of live markets onto a tape, untouched, while nothing trades."""

import asyncio
import signal
import sys
import time
from collections import deque
from pathlib import Path
from random import SystemRandom

import pmm_tui
from pmm_tui.core.events import LinkDown, LinkUp, MarketListed, MarketResolved
from pmm_tui.feeds.base import Feed
from pmm_tui.feeds.discovery import GammaFeed
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.wire import Decoder
from pmm_tui.record.tape import TapeHeader, TapeWriter
from pmm_tui.runtime.clock import Clock
from pmm_tui.runtime.crew import Crew
from pmm_tui.runtime.places import duration_s
from pmm_tui.runtime.profile import Profile, load

SAY_EVERY_S = 10.0


def record_tape(profile: str, path: Path, duration: str) -> int:
    """Record until the duration is over or a signal comes. Exit code 0 where frames were recorded, 1 where there were none.

    OSError where the tape cannot be written, FileExistsError where the file is there: a tape is never overwritten.
    """
    chosen = load(profile)
    seconds = duration_s(duration)
    source = f"{chosen.run().market_ws_url} and {chosen.run().gamma_url}"
    writer = TapeWriter(path, TapeHeader(made_by=f"pmm-tui {pmm_tui.__version__}", source=source, trades=True))
    try:
        asyncio.run(_record(chosen, writer, seconds))
    finally:
        writer.close()
    _say(f"{path}: {writer.frames} frames")
    return 0 if writer.frames else 1


async def _record(profile: Profile, writer: TapeWriter, seconds: float) -> None:
    settings, clock, chance = profile.run(), Clock(), SystemRandom()
    books = MarketFeed(profile.market_ws(), settings.market_ws_url, settings.clob_url, Decoder(), clock, chance, writer.write)
    gamma = GammaFeed(profile.gamma(), profile.targeting(), settings.markets, settings.gamma_url, clock, chance, writer.write)
    stop, broken = asyncio.Event(), deque[BaseException](maxlen=1)

    def failed(where: str, error: BaseException) -> None:
        broken.append(error)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    if seconds:
        loop.call_later(seconds, stop.set)
    crew = Crew(failed)
    try:
        for name, feed in (("market", books), ("gamma", gamma)):
            crew.start(f"the {name} feed", _follow(feed, books))
        crew.start("the tape", _keep(writer))
        await stop.wait()
    finally:
        await crew.end()
        await gamma.close()
        await books.close()
    if broken:
        raise broken[0]


async def _follow(feed: Feed, books: MarketFeed) -> None:
    async for event in feed.events():
        if isinstance(event, MarketListed):
            books.watch(event.market)
            _say(f"recording {event.market.slug}")
        elif isinstance(event, MarketResolved):
            books.unwatch(event.market)
            _say(f"resolved {event.market}")
        elif isinstance(event, LinkDown):
            _say(f"{event.link} lost: {event.reason}; trying again")
        elif isinstance(event, LinkUp):
            _say(f"{event.link} connected")


async def _keep(writer: TapeWriter) -> None:
    """A quiet market's frames reach the disk too, and the user sees that it goes on."""
    said = time.monotonic()
    while True:
        await asyncio.sleep(1.0)
        writer.flush()
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            _say(f"{writer.frames} frames")


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
