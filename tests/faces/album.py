"""Takes a picture of everything that the table lists: the text, a digest of its colours, and on demand an SVG.

`.venv/bin/python -m tests.faces.album FOLDER [WORDS...]` writes the SVGs of all pictures with all of these words in their names.
"""

import asyncio
import hashlib
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from textual import events
from textual.pilot import Pilot

from pmm_tui.api.client import UNANSWERED
from pmm_tui.core.units import SECOND, Nanos
from pmm_tui.tui.app import PmmApp
from pmm_tui.tui.config import Config
from pmm_tui.tui.unanswered import Unanswered
from tests.faces import album_table as table
from tests.faces.album_table import EVERYDAY, LOOKS, MODES, QUESTIONS, SCREENS, SIZES, STATES, Asked, Seen
from tests.faces.conftest import grid
from tests.faces.fake_desk import FakeClock, FakeSource
from tests.faces.pictures import NOW
from tests.faces.test_picker import Machine

KEPT = frozenset(
    {
        *(f"{screen} 160x48 {mode} {EVERYDAY}" for screen in SCREENS for mode in MODES[:3]),
        *(f"dashboard 80x24 {'paper' if state == 'tape' else 'live'} {state}" for state in STATES),
        *(f"dashboard 120x36 both look {look}" for look in LOOKS),
        *(f"question 80x24 {name}" for name in QUESTIONS),
    }
)
"""The pictures whose SVG is stored; the others' colours are held by their digest."""


Wanted = Callable[[str], bool]
"""Whether the SVG of a picture with this name is to be drawn."""


class Picture(NamedTuple):
    """One screen as it was seen."""

    name: str
    rows: tuple[str, ...]
    colours: str
    """Digest of every cell's style."""
    svg: str
    """Empty where none was wanted."""


def differs(screen: str, size: str, mode: str) -> bool:
    """Whether this product is taken: beside each other both desks are on every screen, so that the keys' change its marks alone."""
    return mode != MODES[-1] or screen == "dashboard" or size == "80x24"


def _colours(app: PmmApp) -> str:
    """A digest of the style of every cell of the screen."""
    seen = hashlib.sha256()
    for strip in app.screen._compositor.render_strips():
        for segment in strip.simplify():
            seen.update(f"{len(segment.text)} {segment.style}\n".encode())
    return seen.hexdigest()[:8]


_LINES = r'<clipPath id="t-line-\d+">\s*<rect[^>]*/>\s*</clipPath>\n?'
_FONTS = r"@font-face \{[^}]*\}\s*"
IDLE = re.compile(rf' clip-path="url\(#t-line-\d+\)"| shape-rendering="crispEdges"|{_LINES}|{_FONTS}')
"""A third of a drawing, which changes nothing that is seen of a row that fits its line; and a font fetched from elsewhere."""


CELLS = re.compile(r'<rect fill="(#[0-9a-f]{6})" x=[^>]*/>')


def _on_one_ground(svg: str) -> str:
    """The ground that most cells have as one rectangle below all others: a third less to keep, and no seams between its parts."""
    cells = list(CELLS.finditer(svg))
    if not cells:
        return svg
    ground = Counter(cell[1] for cell in cells).most_common(1)[0][0]
    first = cells[0].start()
    rest = CELLS.sub(lambda cell: "" if cell[1] == ground else cell[0], svg[first:])
    return f'{svg[:first]}<rect fill="{ground}" width="100%" height="100%"/>{rest}'


def drawing(app: PmmApp, title: str = "pmm-tui") -> str:
    """The screen as the library draws it, without what is not seen and the number by which it tells one drawing from another."""
    svg = IDLE.sub("", re.sub(r"terminal-\d+", "t", app.export_screenshot(title=title))).replace("&#160;", "\u00a0")
    return _on_one_ground(svg).replace("<svg ", '<svg xml:space="preserve" ', 1).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")


def take(app: PmmApp, name: str, drawn: bool) -> Picture:
    """What a console shows now."""
    return Picture(name, tuple(grid(app).splitlines()), _colours(app), drawing(app) if drawn else "")


@contextmanager
def environment(no_color: bool = False) -> Iterator[None]:
    """Nothing from outside changes a screen."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("NO_COLOR", "TEXTUAL_THEME"):
            patch.delenv(name, raising=False)
        if no_color:
            patch.setenv("NO_COLOR", "1")
        yield


class Studio:
    """A console whose desks, traces and modes are set from outside, before each picture."""

    def __init__(self, app: PmmApp, sources: list[FakeSource], clock: FakeClock, pilot: Pilot[None]) -> None:
        self.app, self.sources, self.clock, self.pilot = app, sources, clock, pilot

    async def turn_to(self, number: int) -> None:
        """Another screen."""
        self.app.view.screen = number
        self.app.relay()
        await self.pilot.pause()

    async def show(self, name: str, seen: Seen, mode: str) -> None:
        """The console as it is after it came to a state."""
        app, states = self.app, [one for one in (seen.here, seen.beside) if one is not None]
        names = [(name, mode)] if seen.beside is None else [(EVERYDAY, "paper"), (name, "live")]
        for number, (source, one, (what, whose)) in enumerate(zip(self.sources, states, names, strict=True)):
            source.frame, source.now_link = one.frame, one.link
            if what == "reject storm" and one.frame is not None:
                before_ = replace(one.frame.snapshot, at=Nanos(one.frame.snapshot.at - SECOND), rejects={})
                app.herald.storms.look(replace(one.frame, snapshot=before_), app.config.rejects, app.config.within_s)
            app._traces[number] = table.traces(what, whose)
        app.unanswered = Unanswered()
        if name == "kill not answered":
            app.unanswered.take(self.sources[-1], UNANSWERED)
        app._chosen, app.frozen, app.target, app._chose, app._lost = "", None, 0, float("-inf"), False
        if app.read_only is not states[-1].read_only:
            app.read_only = states[-1].read_only
            app.take(app.config)
        before = app._settled
        if seen.keys_at_other:
            app.flip()
        app.pull()
        if states[-1].frozen:
            app.frozen = app.scene
            app.pull()
        if app._settled != before:
            await self.pilot.pause()

    async def ask(self, asked: Asked) -> None:
        """The console as it is with a question on it."""
        machine = Machine()
        machine.checked, self.app.elsewhere = asked.preflight, machine
        self.sources[0].frame, self.sources[0].answers = asked.here(), dict(asked.answers)
        if asked.beside is not None:
            self.sources[1].frame = asked.beside()
        self.app.pull()
        await self.press(asked.keys, "")
        await self.app.workers.wait_for_complete()
        await self.press((), asked.typed)
        self.app.pull()  # all that was typed is on the screen, however slow this machine is
        await self.pilot.pause()

    async def press(self, keys: tuple[str, ...], typed: str) -> None:
        """Keys a second apart, then letters."""
        for key in keys:
            self.clock.now += 1
            await self.pilot.press(key)
        self.clock.now += 1
        for char in typed:
            self.clock.now += 0.2
            self.app.screen.post_message(events.Key("space" if char == " " else char, char))
            await self.pilot.pause()
        await self.pilot.pause()


@asynccontextmanager
async def studio(size: tuple[int, int], desks: int, config: Config | None = None) -> AsyncIterator[Studio]:
    """A console of a size on so many desks."""
    sources, clock = [FakeSource(None) for _ in range(desks)], FakeClock()
    app = PmmApp(*sources, clock=clock, wall=lambda: NOW, pull_s=0, config=config)
    async with app.run_test(size=size) as pilot:
        yield Studio(app, sources, clock, pilot)


async def screens(size: str, screen: str, wanted: Wanted) -> AsyncIterator[Picture]:
    """One screen of one size: each mode, each state."""
    with environment():
        for desks in (1, 2):
            async with studio(SIZES[size], desks) as one:
                await one.turn_to(SCREENS[screen])
                for mode in MODES[:2] if desks == 1 else MODES[2:]:
                    for state in STATES if differs(screen, size, mode) else ():
                        if (seen := table.seen(state, mode)) is not None:
                            await one.show(state, seen, mode)
                            name = f"{screen} {size} {mode} {state}"
                            yield take(one.app, name, wanted(name))


async def looks(wanted: Wanted) -> AsyncIterator[Picture]:
    """Every theme, with gains red, and without colour: a paper desk that is well beside one that is killed; each screen of it."""
    for look in LOOKS:
        config = Config(red_up=True) if look == "red_up" else Config(theme=look) if look != "NO_COLOR" else None
        with environment(look == "NO_COLOR"):
            async with studio(SIZES["120x36"], 2, config) as one:
                for screen, number in SCREENS.items():
                    await one.turn_to(number)
                    seen = table.seen("killed" if number == 1 else EVERYDAY, "both")
                    assert seen is not None
                    await one.show("killed" if number == 1 else EVERYDAY, seen, "both")
                    name = f"{screen} 120x36 both look {look}"
                    yield take(one.app, name, wanted(name))


async def questions(size: str, wanted: Wanted) -> AsyncIterator[Picture]:
    """Every question of one size."""
    with environment():
        for what, asked in QUESTIONS.items():
            async with studio(SIZES[size], 1 if asked.beside is None else 2) as one:
                await one.ask(asked)
                name = f"question {size} {what}"
                yield take(one.app, name, wanted(name))


async def everything(wanted: Wanted) -> AsyncIterator[Picture]:
    """All of it."""
    for make in PAGES.values():
        async for picture in make(wanted):
            yield picture


PAGES: dict[str, Callable[[Wanted], AsyncIterator[Picture]]] = {
    **{
        f"{screen}-{size}": partial(screens, size, screen)
        for size in SIZES for screen in SCREENS if size != "60x12" or screen == "dashboard"
    },
    "looks-120x36": looks,
    **{f"questions-{size}": partial(questions, size) for size in ("160x48", "80x24")},
}  # fmt: skip
"""By the name of its file what each page of the album shows; below 80x24 there is room for one face, whatever the screen."""


async def _write(folder: Path, words: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    async for picture in everything(lambda name: all(word in name for word in words)):
        if picture.svg:
            (folder / f"{picture.name.replace(' ', '_')}.svg").write_text(picture.svg)


if __name__ == "__main__":
    asyncio.run(_write(Path(sys.argv[1]), sys.argv[2:]))
