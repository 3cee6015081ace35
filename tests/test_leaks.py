"""The canary of the suite sings: whatever is planted is found, in outputs and in files, and what is hidden is not."""

from pathlib import Path

import pytest
import zstandard
from eth_account import Account

from pmm_tui.venues.clob.keys import Secret
from tests.leaks import PLAIN, Leaks

WORD = "c2VjcmV0LXRoYXQtaXMtbG9uZy1lbm91Z2g="


@pytest.mark.parametrize("said", [WORD, f"key={WORD}", f'{{"secret": "{WORD}"}}', WORD.upper(), f"a\n{WORD}\nb"])
def test_a_secret_that_is_printed_is_found(said: str) -> None:
    leaks = Leaks()
    leaks.hear("here", said)
    with leaks.watch():
        Secret(WORD)
    assert leaks.found() == ["here"]


def test_a_private_key_is_found_in_the_middle_of_other_hex_and_in_a_packed_file(tmp_path: Path) -> None:
    leaks = Leaks()
    with leaks.watch():
        key = bytes(Account.create().key).hex()
    (tmp_path / "a.log").write_text(f"error: 0x{key}")
    (tmp_path / "b.zst").write_bytes(zstandard.ZstdCompressor().compress(f"x {key} y".encode()))
    (tmp_path / next(iter(PLAIN))).write_text(key)
    (tmp_path / "broken.zst").write_bytes(b"no")
    leaks.read(tmp_path)
    assert leaks.found() == [str(tmp_path / "a.log")]
    leaks.shown.clear()
    (tmp_path / "a.log").unlink()
    leaks.read(tmp_path)
    assert leaks.found() == [str(tmp_path / "b.zst")]
    (tmp_path / "b.zst").unlink()  # the suite's own canary would find it, too


def test_what_is_not_secret_or_not_shown_is_not_told() -> None:
    leaks = Leaks()
    with leaks.watch():
        Secret(WORD)
        Secret("short")
    leaks.hear("there", f"short {Secret(WORD)} {'a' * 64}")
    assert leaks.found() == []
