"""A paper desk has no signer, not even the code of one: nothing that could sign or reach a chain is ever imported in its process."""

import subprocess
import sys
from pathlib import Path

from tests.runtime.scene import PROFILE, ROOT, Home, cut_tape

SIGNERS = ("eth_account", "eth_keys", "coincurve", "polymarket", "web3")


def test_I13_a_paper_run_imports_nothing_that_signs(tmp_path: Path) -> None:
    home = Home(tmp_path)
    tape = cut_tape(tmp_path / "short.tape.zst", 200)
    profile = home.profile(PROFILE.replace("tape: demo", f"tape: {tape}"))
    words = [sys.executable, "-X", "importtime", "-m", "pmm_tui", "--profile", profile, "--no-ui", "--logs", str(home.logs)]
    ran = subprocess.run(
        words, env={**home.env, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert ran.returncode == 0, ran.stderr[-2_000:]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in ran.stderr.splitlines() if line.startswith("import time:")}
    assert "pmm_tui" in imported and not imported & set(SIGNERS)
