"""Secrets that would be recognised anywhere: commands that work and commands that fail write none of them, in any of its spellings."""

import asyncio
import base64
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, CompletedProcess, run

import pytest
from eth_account import Account
from websockets.asyncio.client import unix_connect

from pmm_tui.core.apply import VENUE_WORDS
from pmm_tui.runtime.demo import PLACES, exchange
from pmm_tui.runtime.profile import packaged
from pmm_tui.venues.clob.keys import API_KEY, API_PASSPHRASE, API_SECRET, PASSWORD, PRIVATE_KEY, RPC_URL
from pmm_tui.venues.clob.user_ws import KEY_REFUSED
from tests.runtime.live_stage import Stage, alive, ended, waited
from tests.runtime.scene import Home, logged

KEY = "ca9a47" * 10 + "ca9a"
WORDS = {
    PASSWORD: "canary-password-tweet",
    API_KEY: "ca9a47ca-9a47-ca9a-47ca-9a47ca9a47ca",
    API_SECRET: base64.urlsafe_b64encode(b"canary-api-secret-tweet-tweet-00").decode(),
    API_PASSPHRASE: "canary-passphrase-tweet",
    RPC_URL: "http://127.0.0.1:1/v2/canary-node-tweet",
}
WRONG = "canary-wrong-password"
TRACES = [
    text.lower().encode()
    for text in (
        *(KEY[at : at + 16] for at in range(0, 24, 6)), str(int(KEY, 16)), str(list(bytes.fromhex(KEY)))[1:40],
        base64.b64encode(bytes.fromhex(KEY)).decode()[:40], repr(bytes.fromhex(KEY))[2:30],
        *WORDS.values(), "canary-api-secret", "canary-node", WRONG,
    )
]  # fmt: skip
"""Lower case: parts of the key in hex, the key as a number, as bytes, in base 64; the other secrets, and what they decode to."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """An exchange with a crowd that trades."""
    with exchange("", 0.0) as listening:
        yield listening


def clean(*texts: str | bytes) -> None:
    """None of the secrets is in any of these."""
    for text in texts:
        low = (text if isinstance(text, bytes) else text.encode()).lower()
        assert not [trace for trace in TRACES if trace in low], low[:2_000]


def clean_files(home: Home) -> None:
    """Nor in any file that was written."""
    for path in home.folder.rglob("*"):
        if path.is_file():
            clean(path.read_bytes())


def ended_so(done: CompletedProcess[str], code: int, why: str) -> None:
    """It ended so, said this, and nothing that is secret."""
    clean(done.stdout, done.stderr)
    assert done.returncode == code and why in done.stdout + done.stderr, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr


def typed(home: Home, store: Path, key: str) -> CompletedProcess[str]:
    """`pmm-tui key`, with this key and the password on its standard input."""
    with home.start("key", store, stdin=PIPE) as process:
        out, err = process.communicate(f"{key}\n{WORDS[PASSWORD]}\n", timeout=60)
        return CompletedProcess(process.args, process.returncode, out, err)


def profile_for(home: Home, port: int, name: str, **values: object) -> str:
    """local-prod at this port."""
    told = {place: url.format(port=port) for place, url in PLACES.items()} | values
    lines = [line for line in (packaged() / "local-prod.yaml").read_text().splitlines() if line.split(":")[0] not in told]
    return home.profile("\n".join([*lines, *(f"{place}: {value}" for place, value in told.items())]), name)


@pytest.mark.parametrize("said", [KEY.upper(), f"0x{KEY}", str(int(KEY, 16)), f"{bytes.fromhex(KEY)!r}", *WORDS.values()])
def test_a_secret_in_any_of_its_spellings_would_be_seen(said: str) -> None:
    with pytest.raises(AssertionError):
        clean(f"some text: {said}, and more")


def test_a_keystore_and_what_cannot_open_it_tell_nothing(tmp_path: Path, port: int) -> None:
    home = Home(tmp_path)
    store = tmp_path / "key.json"
    ended_so(typed(home, store, f"{KEY}7"), 2, "expected 64 hex digits")
    ended_so(typed(home, store, KEY), 0, Account.from_key(KEY).address)
    here = profile_for(home, port, "here", keystore=store)
    away = profile_for(home, 1, "away", keystore=store)
    ended_so(home.call("--profile", here, "--no-ui", "--logs", home.logs, env={PASSWORD: WRONG}), 2, "the password is wrong")
    ended_so(home.call("preflight", "--profile", away, env={PASSWORD: WORDS[PASSWORD]}), 1, "NOT passed")
    clean_files(home)


def test_a_desk_that_cannot_start_tells_nothing(tmp_path: Path, port: int) -> None:
    home = Home(tmp_path)
    here, away = profile_for(home, port, "here"), profile_for(home, 1, "away")
    env = {PRIVATE_KEY: KEY}
    node = {RPC_URL: WORDS[RPC_URL]}
    ended_so(home.call("--profile", away, "--no-ui", "--logs", home.logs, env=env | node), 2, "Connect call failed")
    partly = {API_KEY: WORDS[API_KEY], API_PASSPHRASE: WORDS[API_PASSPHRASE]}
    ended_so(home.call("--profile", here, "--no-ui", "--logs", home.logs, env=env | partly), 2, "an API key has three parts")
    ended_so(home.call("--profile", here, "--no-ui", "--logs", home.logs, env={PRIVATE_KEY: KEY + "7"}), 2, "expected 64 hex digits")
    ended_so(home.call("wallet", "--profile", away, env=env | WORDS), 2, "the node does not answer")
    with alive(home.headless(here, env=env | WORDS)) as desk:  # an API key that the exchange never gave
        waited(lambda: any(VENUE_WORDS[KEY_REFUSED] in path.read_text() for path in home.logs.glob("*/run.log")))
        desk.send_signal(signal.SIGTERM)
        out, err = desk.communicate(timeout=60)
    clean(out, err)
    clean_files(home)


def test_a_desk_that_trades_tells_nothing(tmp_path: Path, port: int) -> None:
    stage = Stage(tmp_path, port)
    stage.account = Account.from_key(KEY)
    stage.env = {PRIVATE_KEY: KEY}
    with stage.desk() as desk:
        waited(lambda: bool(stage.open_orders()))
        told = asyncio.run(_frames(stage))
        assert ended(desk) == 0
    creds = stage.clob().channel_auth().values()
    stage.close()
    clean(told)
    clean_files(stage.home)
    for path in stage.home.folder.rglob("*"):
        text = path.read_bytes() if path.is_file() else b""
        assert not [part for part in creds if part.encode() in text], f"{path.name} holds a part of the API key that was derived"


async def _frames(stage: Stage) -> bytes:
    """What the desk tells a console first."""
    async with unix_connect(logged(stage.folder())[0]["socket"], uri="ws://desk/ws?ro=1&ui=0") as console:
        told = [await console.recv(decode=False) for _ in range(3)]
    assert any(stage.account.address[:6].encode() in one for one in told), "the account's two ends are told"
    return b"".join(told)


CARELESS = """
import ctypes, logging, resource, sys
from pmm_tui.runtime.logs import start_logs
from pmm_tui.runtime.production import secure
from pmm_tui.runtime.profile import load
from pmm_tui.venues.clob.keys import Keys, Secret
from eth_account import Account
from pathlib import Path

start_logs(Path(sys.argv[3]), "live", True)
keys = Keys(Account.from_key(sys.argv[1]), rpc_url=Secret(sys.argv[2]))
held = secure(load("local-prod"), keys)
logging.getLogger("some.library").error("POST %s signed by %s", sys.argv[2], bytes(keys.account.key).hex())
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_what_a_careless_library_logs_is_hidden_once_the_keys_are_there_and_no_core_is_dumped(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.logs.mkdir()
    command = [sys.executable, "-c", CARELESS, KEY, WORDS[RPC_URL], str(home.logs)]
    done = run(command, env=os.environ | home.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    clean(done.stdout, done.stderr)
    clean_files(home)
    assert "signed by" in done.stderr
    assert done.stdout.split() == ["(0,", "0)", "0"]
