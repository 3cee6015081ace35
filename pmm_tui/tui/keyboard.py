"""What is typed at the terminal, key by key: esc and the key after it are two keys, and a flood of them is calmed before it is read."""

import os
import re
import selectors
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator
from threading import Event

from textual import events
from textual._xterm_parser import XTermParser
from textual.message import Message

ESC = "\x1b"
INTRODUCERS = "[O" + ESC
"""What follows an esc that begins a key of several characters."""
_AFTER_ESC = re.compile(f"(?<={ESC})")
READ = 4096
MANY = 256
"""So much at once is no finger's."""
SEQUENCE = 32
"""No key, click or mark of a paste is longer than this, from its esc."""
LOOK_S = 0.1


class Keyboard(XTermParser):
    """The library's reader of keys, to which esc and K in one packet are alt and K, which nobody pressed and nothing hears."""

    _escaped = False

    def feed(self, data: str) -> Iterator[Message]:
        """The keys in what came; an esc before what continues no known sequence is told at once."""
        for piece in filter(None, _AFTER_ESC.split(data)):
            if self._escaped and self._timeout_time is not None and piece[0] not in INTRODUCERS:
                self._timeout_time = 0.0  # as if nothing had come for a while
                yield from self.tick()
            self._escaped = piece.endswith(ESC)
            yield from super().feed(piece)

    def _sequence_to_key_events(self, sequence: str, alt: bool = False) -> Iterable[events.Key]:
        for key in super()._sequence_to_key_events(sequence, alt):
            yield from apart(key)


def apart(key: events.Key) -> list[events.Key]:
    """Alt and a character is what terminals make of esc and that character, too: those two keys; any other key as it is."""
    *held, last = key.key.split("+")
    if len(last) != 1 or not set(held) <= {"alt", "shift"} or "alt" not in held:
        return [key]
    last = last.upper() if "shift" in held else last
    return [events.Key("escape", ESC), events.Key(last, last)]


def listen(fileno: int, ended: Event, take: Callable[[Message], None]) -> None:
    """Read a terminal until the console ends."""
    parser, decode = Keyboard(), getincrementaldecoder("utf-8")("replace").decode
    with selectors.SelectSelector() as selector:
        selector.register(fileno, selectors.EVENT_READ)
        while not ended.is_set():
            if selector.select(LOOK_S):
                data = os.read(fileno, READ)
                if not data:
                    return
                for message in parser.feed(calmed(decode(data))):
                    take(message)
            for message in parser.tick():
                take(message)


def calmed(text: str) -> str:
    """Of much text at once each character between two escs once, the last of each in their order; what may belong to an esc stays."""
    return ESC.join(map(_once, text.split(ESC))) if len(text) > MANY else text


def _once(piece: str) -> str:
    return piece[:SEQUENCE] + "".join(reversed(dict.fromkeys(reversed(piece[SEQUENCE:]))))
