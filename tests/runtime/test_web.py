"""The console in a browser: served to this machine only, it draws a desk and cannot touch it."""

import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pmm_tui.runtime import fleet
from tests.runtime.scene import PATIENCE_S, PROFILE, Home, ending, waited

KEY_AGAIN_S = 3.0


@pytest.fixture
def port(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port that a desk's console is served on."""
    home.enter(monkeypatch)
    monkeypatch.setattr("tempfile.tempdir", str(home.folder))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    with ending(home.headless(home.profile(PROFILE.replace("speed: max", "speed: 1")))):
        waited(lambda: any(desk.frame is not None for desk in fleet.running()))
        with ending(home.start("web", "small", "--port", str(number))):
            waited(lambda: answers(number))
            yield number


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_it_draws_the_desk_and_no_key_touches_it(port: int) -> None:
    page = httpx.get(f"http://127.0.0.1:{port}/")
    assert page.status_code == 200 and "pmm-tui, read only" in page.text
    with connect(f"ws://127.0.0.1:{port}/ws?width=120&height=40", origin=None) as browser:
        drawn, until = b"", time.monotonic() + PATIENCE_S
        while b"READ-ONLY" not in drawn:
            assert time.monotonic() < until, drawn[-2_000:]
            said = browser.recv(timeout=PATIENCE_S)
            drawn += said if isinstance(said, bytes) else said.encode()
        pressed = float("-inf")
        while b"any key closes" not in drawn:
            assert time.monotonic() < until, "the keys arrive, as the help shows"
            if time.monotonic() - pressed > KEY_AGAIN_S:  # a console that just stood still obeys none
                pressed = time.monotonic()
                browser.send(json.dumps(["stdin", "K"]))
                browser.send(json.dumps(["stdin", "?"]))
            said = browser.recv(timeout=PATIENCE_S)
            drawn += said if isinstance(said, bytes) else said.encode()
    (desk,) = fleet.running()
    assert desk.frame is not None and not desk.frame.snapshot.phase.startswith("kill")


def test_a_page_of_another_site_is_refused(port: int) -> None:
    assert httpx.get(f"http://127.0.0.1:{port}/", headers={"Host": "evil.example"}).status_code == 403
    with pytest.raises(InvalidStatus, match="403"), connect(f"ws://127.0.0.1:{port}/ws", additional_headers={"Origin": "http://evil.example"}):
        pass
