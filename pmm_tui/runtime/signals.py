"""What tells a run from outside to end, or to kill: signals, the KILL file, and the death of whoever started it."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path

from pmm_tui.core.instructions import Instruction, Killed
from pmm_tui.runtime.loop import NOT_YET

KILL_FILE = "KILL"
KILL_FILE_EVERY_S = 0.25
STDIN = 0


class Signals:
    """One run's. The first signal sets `stop`, the second `hurry`, and after the third nothing is waited for, not even the records."""

    def __init__(self, log: logging.Logger, submit: Callable[[Instruction], None], hangup_ends: bool) -> None:
        """hangup_ends: whether a lost terminal is a signal to end."""
        self.stop = asyncio.Event()
        self.hurry = asyncio.Event()
        """The end is not to wait for proof."""
        self._log = log
        self._submit = submit
        self._hangup_ends = hangup_ends
        self._count = 0

    def listen(self, owned: bool) -> None:
        """From now on. `owned`: whoever started this process holds its standard input open until it is up; the process ends with them."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._signalled, number)
        loop.add_signal_handler(signal.SIGUSR1, lambda: self._submit(Killed(NOT_YET, "signal", "from a shell (SIGUSR1)")))
        if owned:
            watch_owner(self._orphaned)

    async def look_for_kill_file(self, folder: Path) -> None:
        """Take the KILL file of a run's folder, whenever it is made."""
        path = folder / KILL_FILE
        while True:
            if path.exists():
                self._submit(Killed(NOT_YET, "file", "the KILL file was made"))
                path.unlink(missing_ok=True)
            await asyncio.sleep(KILL_FILE_EVERY_S)

    def _signalled(self, number: signal.Signals) -> None:
        if number == signal.SIGHUP and not self._hangup_ends:
            self._log.info("SIGHUP: the terminal is lost, the desk goes on")
            return
        self._count += 1
        self._log.info("%s: the run ends", number.name)
        if self._count > 2:
            os._exit(3)
        if self._count > 1:
            self.hurry.set()
        self.stop.set()

    def _orphaned(self) -> None:
        self._log.warning("the console that started this desk is gone: the run ends")
        self.stop.set()


def watch_owner(gone: Callable[[], None]) -> None:
    """Call `gone` once nobody holds the other end of the standard input any more: the system closes it however its holder ends.

    A line of process ids on it says for whom this process is there from then on: `gone` is called when none of them runs, and never where
    the line is empty.
    """
    loop = asyncio.get_running_loop()

    def look() -> None:
        said = os.read(STDIN, 4_096)
        loop.remove_reader(STDIN)
        if not said:
            gone()
        elif pids := [int(word) for word in said.split()]:
            wait(pids)

    def wait(pids: list[int]) -> None:
        if any(map(runs, pids)):
            loop.call_later(KILL_FILE_EVERY_S, wait, pids)
        else:
            gone()

    loop.add_reader(STDIN, look)


def runs(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        pass  # it is gone, or this system has no such files
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return not Path("/proc/self").exists()
