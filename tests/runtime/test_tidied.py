"""What the interpreter keeps for use again does not grow with a desk's time."""

import sys

import pytest

from tests.runtime.scene import PROFILE, Home, running, until

SPARE = 2_000
"""So many tuples of one length the interpreter keeps."""


async def test_a_desk_lets_go_of_what_the_interpreter_would_keep_for_use_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pmm_tui.runtime.run.TIDY_S", 0.02)
    async with running(home, home.profile(PROFILE.replace("speed: max", "speed: 1"))):
        kept: list[int] = []
        for _ in range(3):
            lengths = [[*range(length)] for length in range(8, 18) for _ in range(SPARE)]
            tuples = [tuple(one) for one in lengths]
            del tuples, lengths
            kept.append(sys.getallocatedblocks())
            await until(lambda: sys.getallocatedblocks() < kept[-1] - 5 * SPARE)
