"""A process to be killed: writes a journal as fast as it can and says on its standard output which seq `write` has returned for.

Arguments: folder, seed, rotate_mib, sync_ms. It never ends by itself.
"""

import os
import sys
from pathlib import Path
from random import Random

from pmm_tui.core.commands import Cancel
from pmm_tui.core.events import BookReset
from pmm_tui.core.units import Nanos, Price, Size
from pmm_tui.record.journal import Journal


def main() -> None:
    """Write until killed; every line's length is drawn, some are much longer than a page."""
    folder, seed, rotate_mib, sync_ms = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    chance = Random(seed)
    journal = Journal(folder, {"run": "killed"}, rotate_mib=rotate_mib, sync_ms=sync_ms, ballast_mib=0)
    while True:
        seq = journal.seq
        levels = tuple((Price(1), Size(level)) for level in range(chance.choice((0, 5, 20, 20, 40, 20_000))))
        journal.write(BookReset(Nanos(seq), "m", Nanos(seq), levels, ()), [Cancel(seq)])
        os.write(1, b"%d\n" % seq)


if __name__ == "__main__":
    main()
