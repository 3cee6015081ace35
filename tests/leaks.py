"""The whole suite's canary: every secret that a test makes is remembered, and whatever the tests print or write is searched for it.

A secret here is a private key that was created or handed in, or a text that was wrapped as a Secret. Only what looks like one is looked for
(twenty letters or digits without a gap): shorter ones would be found everywhere.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zstandard
from eth_account import Account

from pmm_tui.venues.clob import keys

_WORD = re.compile(rb"[A-Za-z0-9_-]{20,}")
_HEX = re.compile(rb"[0-9a-f]{64}")
PLAIN = {"api.token", "key.api.json", "key.txt", "practice.json", "practice.api.json", "read.json"}
"""Files that hold a secret by purpose, private to their owner."""
_LARGE = 64 << 20
_EVEN = 8
"""A secret of so few different letters is a test's own pattern, like `1111...`, and also the id of a market."""


class Leaks:
    """What must not be seen, and what was seen."""

    def __init__(self) -> None:
        self.secrets: set[bytes] = set()
        self.shown: dict[bytes, str] = {}
        """Secret-like words of the tests' outputs, each with the first place where it was."""

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Remember every secret that is made from now on in this process."""
        wrap, create, take = keys.Secret.__init__, Account.create, Account.from_key

        def wrapped(secret: keys.Secret, text: str) -> None:
            wrap(secret, text)
            self.remember(text)

        def created(*words: Any, **named: Any) -> Any:
            account = create(*words, **named)
            self.remember(bytes(account.key).hex())
            return account

        def taken(key: Any) -> Any:
            account = take(key)
            self.remember(bytes(account.key).hex())
            return account

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(keys.Secret, "__init__", wrapped)
            patch.setattr(Account, "create", created)
            patch.setattr(Account, "from_key", taken)
            yield

    def remember(self, text: str) -> None:
        """A secret."""
        words = _WORD.findall(text.removeprefix("0x").lower().encode())
        if words and len(set(word := max(words, key=len))) > _EVEN:
            self.secrets.add(word)

    def hear(self, where: str, text: str | bytes) -> None:
        """An output. Secrets may be made after they were printed, so it is compared only in the end."""
        raw = (text if isinstance(text, bytes) else text.encode()).lower()
        for pattern in (_WORD, _HEX):
            for word in pattern.findall(raw):
                self.shown.setdefault(word, where)

    def read(self, folder: Path) -> None:
        """Every file below a folder; compressed ones are unpacked."""
        for path in sorted(folder.rglob("*")):
            if path.name in PLAIN or "site-packages" in path.parts or path.is_symlink() or not path.is_file():
                continue
            raw = path.read_bytes()[:_LARGE]
            self.hear(str(path), raw)
            if path.suffix == ".zst":
                try:
                    with zstandard.ZstdDecompressor().stream_reader(raw) as reader:
                        self.hear(str(path), reader.read(_LARGE))
                except zstandard.ZstdError:
                    pass  # one that a test broke by purpose

    def found(self) -> list[str]:
        """Where a secret was seen; never the secret itself."""
        return sorted({self.shown[secret] for secret in self.secrets & self.shown.keys()})
