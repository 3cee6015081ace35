"""Makes every picture of the README: two real desks on the demo's tape, and a few scenes that cannot be had without real trouble or money.

`.venv/bin/python -m tests.faces.walk` takes some minutes, for the tape is played at its own pace; with `scenes` it makes the scenes alone.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from textual.pilot import Pilot

from pmm_tui.api.client import Client
from pmm_tui.core.snapshot import Frame
from pmm_tui.runtime.demo import beside
from pmm_tui.runtime.start import Options, Started, launch_all
from pmm_tui.tui.app import PmmApp
from tests.faces import album_table as table
from tests.faces.album import drawing, environment, studio

FOLDER = Path(__file__).with_name("walk")
WIDE, MIDDLE, COMPACT = (160, 48), (120, 36), (80, 24)
LOOKS_APART_S = 0.5
PATIENCE_S, LATE_S = 200.0, 120.0
"""How long at most what a picture needs is waited for, and how long the desks trade on before the comparison."""
FILLS = 1
"""Each desk has so many at least before the first picture."""
SCENES: dict[str, tuple[str, str, tuple[int, int]]] = {
    "live": ("quoting", "both-e", WIDE),
    "stale": ("stale", "live", COMPACT),
    "disconnected": ("disconnected", "live", COMPACT),
    "not-confirmed": ("cancel not confirmed", "live", COMPACT),
    "mismatch": ("account mismatch", "live", COMPACT),
    "restarting": ("venue restarting", "live", COMPACT),
}
"""By file the state, the mode and the size of a scene."""
QUESTIONS = {"go-live": "go LIVE"}
FILES = (*SCENES, *QUESTIONS, "first-minute", "market", "flatten", "compare", "leave", "killed")


class Walk:
    """A console on desks that are really there."""

    def __init__(self, app: PmmApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def look(self, seconds: float) -> None:
        """Watch for so long."""
        for _ in range(round(seconds / LOOKS_APART_S)):
            await asyncio.sleep(LOOKS_APART_S)
            self.app.pull()
        await self.pilot.pause()

    async def until(self, seen: Callable[[], bool]) -> None:
        """Watch until it is to be seen, for as long as there is patience."""
        for _ in range(round(PATIENCE_S / LOOKS_APART_S)):
            await self.look(LOOKS_APART_S)
            if seen():
                return

    async def press(self, *keys: str) -> None:
        """Keys, each with time to be answered."""
        for key in keys:
            await self.pilot.press(key)
            await self.look(1.0)

    def keep(self, name: str) -> None:
        """Write what is shown."""
        (FOLDER / f"{name}.svg").write_text(drawing(self.app, "pmm-tui --profile demo"))


def _seen(client: Client) -> Frame | None:
    return client.latest()


def _holds(client: Client) -> bool:
    """Whether a desk has something to flatten."""
    frame = client.latest()
    return frame is not None and any(row.yes != row.no for row in frame.snapshot.markets)


async def _walk(desks: list[Started]) -> None:
    clients = [Client(one.socket, "console:picture") for one in desks]
    app = PmmApp(*clients, pull_s=0)
    listening = [asyncio.create_task(client.run()) for client in clients]
    try:
        async with app.run_test(size=WIDE) as pilot:
            one = Walk(app, pilot)
            await one.until(lambda: all(frame is not None and frame.snapshot.fill_count >= FILLS for frame in map(_seen, clients)))
            one.keep("first-minute")
            await one.press("2")
            one.keep("market")
            await one.press("1", "e")
            await one.until(lambda: _holds(clients[1]))
            await one.press("F")
            one.keep("flatten")
            await one.press("escape", "e")
            await one.look(LATE_S)
            await one.press("8")
            one.keep("compare")
            await one.press("1", "q")
            one.keep("leave")
            await one.press("escape", "e", "K")
            await one.look(3.0)
            one.keep("killed")
            for client in clients:
                await client.command("stop", {})
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


def desks() -> None:
    """The pictures of real desks: paper, and the production desk at an exchange of this machine."""
    with tempfile.TemporaryDirectory(prefix="pmm") as folder, beside([Options(profile="demo", logs=Path(folder))]) as shown:
        started = launch_all(shown.wanted)
        try:
            asyncio.run(_walk(started))
        finally:
            for one in started:
                if not one.ended(10.0):
                    one.end()


async def scenes() -> None:
    """The pictures of what nobody wants to have: an outage, an account that is not ours; and of real money."""
    with environment():
        for name, (state, mode, size) in SCENES.items():
            seen = table.seen(state, mode)
            assert seen is not None
            async with studio(size, 1 if seen.beside is None else 2) as one:
                await one.turn_to(1)
                await one.show(state, seen, mode)
                (FOLDER / f"{name}.svg").write_text(drawing(one.app))
        for name, what in QUESTIONS.items():
            async with studio(MIDDLE, 2) as one:
                await one.ask(table.QUESTIONS[what])
                (FOLDER / f"{name}.svg").write_text(drawing(one.app))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    asyncio.run(scenes())
    if "scenes" not in sys.argv:
        with suppress(KeyboardInterrupt):
            desks()
