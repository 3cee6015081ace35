"""Makes the README's picture: a real desk on the demo's tape, seen by the real console.

`.venv/bin/python -m tests.faces.make_picture` plays the tape until a few fills are in, then exports the screen to tests/faces/console.svg.
"""

import asyncio
import tempfile
from pathlib import Path

from pmm_tui.api.client import Client
from pmm_tui.runtime.start import Options, launch
from pmm_tui.tui.app import PmmApp

PICTURE = Path(__file__).with_name("console.svg")
FILLS = 34


async def main() -> None:
    """Play, look, export, stop."""
    with tempfile.TemporaryDirectory(prefix="pmm") as folder:
        started = launch(Options(profile="demo", speed="200", logs=Path(folder)))
        client = Client(started.socket, "console:picture")
        app = PmmApp(client, pull_s=0)
        async with app.run_test(size=(160, 48)) as pilot:
            listening = asyncio.create_task(client.run())
            while (frame := client.latest()) is None or frame.snapshot.fill_count < FILLS:
                await asyncio.sleep(0.05)
            await client.command("speed", {"speed": "10"})
            await asyncio.sleep(2.0)
            app.pull()
            await pilot.pause()
            PICTURE.write_text(app.export_screenshot(title="pmm-tui --profile demo"))
            await client.command("stop", {})
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
