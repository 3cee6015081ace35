"""`pmm-tui web`: the console in a browser on this machine, to look at and nothing else."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

HOST = "127.0.0.1"


def serve(sockets: Sequence[Path], port: int) -> int:
    """Serve a read-only console for each browser that comes, until it is interrupted. ValueError where the extra is not installed.

    Only this machine can reach it: for another one, ssh -L 8000:127.0.0.1:8000.
    """
    try:
        from textual_serve.server import Server
    except ModuleNotFoundError:
        raise ValueError('the console in a browser needs an extra package: pip install "pmm-tui[web]"') from None
    command = [sys.executable, "-m", "pmm_tui", "attach", "--read-only", "--no-mouse", *map(str, sockets)]
    Server(shlex.join(command), host=HOST, port=port, title="pmm-tui, read only").serve()
    return 0
