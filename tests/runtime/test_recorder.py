"""`pmm-tui record`: live frames onto a tape, untouched, and the tape played through a desk."""

import asyncio
import json
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pmm_tui.record.tape import TapeFrame, read_tape
from pmm_tui.runtime.recorder import record_tape
from tests.feeds.loopback import LoopMarket
from tests.runtime.scene import Home, ending, journaled, waited
from tests.runtime.test_live import PROFILE, Polymarket


@pytest.fixture
def venue() -> Iterator[Polymarket]:
    """A Polymarket with two markets."""
    venue = Polymarket(LoopMarket(1), LoopMarket(2))
    yield venue
    venue.held.close()


def frames(path: Path) -> list[TapeFrame]:
    """What is on a tape so far."""
    return list(read_tape(path)) if path.exists() else []


async def test_what_was_said_is_on_the_tape_and_a_desk_trades_on_it(home: Home, venue: Polymarket) -> None:
    profile = home.profile(PROFILE.replace("market-1", "[market-1, market-2]"), "live")
    tape = home.folder / "today.tape.zst"
    async with venue.up() as server:
        with ending(home.start("record", tape, "--profile", profile, env=venue.env)) as process:
            await server.until(lambda: sum(len(tokens) for tokens in server.sockets.values()) == 4)
            said = []
            for n in range(40):
                said.append(venue.market.change("BUY", "0.47", str(200 + n)))
                await server.publish(said[-1], venue.market)
                await venue.trade("SELL", "0.46", "500")
                await asyncio.sleep(0.03)
            await asyncio.to_thread(waited, lambda: len(frames(tape)) > 60)
            process.send_signal(signal.SIGINT)
            out, err = await asyncio.to_thread(process.communicate)
    assert (process.returncode, out) == (0, "")
    assert "recording market-1" in err and "market connected" in err and "Traceback" not in err
    kept = frames(tape)
    assert f"{tape}: {len(kept)} frames" in err
    assert [frame.at for frame in kept] == sorted(frame.at for frame in kept)
    texts = [frame.raw for frame in kept if frame.channel == "market"]
    assert [json.loads(text)["timestamp"] for text in texts if '"price_change"' in text] == [one["timestamp"] for one in said]
    assert all(text == json.dumps(json.loads(text), separators=(",", ":")) or text.startswith("[") for text in texts), "untouched"
    assert kept[0].channel == "gamma", "what a market is stands before its frames"
    assert tape.stat().st_mode & 0o777 == 0o600

    played = await asyncio.to_thread(home.call, "replay", tape, "--profile", profile, "--logs", home.logs)
    assert played.returncode == 0, played.stderr
    entries = journaled(home.run_folder())
    kinds = {entry["event"]["type"] for entry in entries[1:-1]}
    assert {"MarketListed", "BookReset", "BookChanged", "Traded", "OrderAccepted", "OrderFilled"} <= kinds


def test_without_a_network_nothing_is_recorded_and_the_code_says_so(
    home: Home, venue: Polymarket, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.enter(monkeypatch, **venue.env)
    tape = home.folder / "t.zst"
    assert record_tape(home.profile(PROFILE, "live"), tape, "0.3s") == 1
    said = capsys.readouterr().err
    assert "gamma lost: " in said and "trying again" in said and f"{tape}: 0 frames" in said
    assert frames(tape) == []


async def test_F61_a_full_disk_ends_the_recording_with_one_clear_line(home: Home, venue: Polymarket) -> None:
    words = ("record", home.folder / "t.zst", "--profile", home.profile(PROFILE, "live"))
    async with venue.up():
        ended = await asyncio.to_thread(
            home.call, *words, env=venue.env, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
        )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("pmm-tui: File too large")
    assert "Traceback" not in ended.stderr
