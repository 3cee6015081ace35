"""A desk as a service: the unit is one that systemd takes, and the password that systemd keeps is read."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pmm_tui import cli
from pmm_tui.runtime.start import password
from tests.runtime.scene import ROOT


def unit(*words: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(cli.app, ["unit", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("profile", ["demo", "prod-001"])
def test_systemd_takes_it(profile: str, tmp_path: Path) -> None:
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not here")
    path = tmp_path / f"pmm-tui-{profile}.service"
    path.write_text(unit("--profile", profile, "--user", "root"))
    asked = subprocess.run([verify, "verify", str(path)], capture_output=True, text=True, timeout=30, check=False)
    assert (asked.returncode, asked.stderr) == (0, "")


def test_only_real_money_has_a_password_a_node_and_a_drop_in(monkeypatch: pytest.MonkeyPatch) -> None:
    live, paper = unit("--profile", "prod-001"), unit("--profile", "demo")
    assert "LoadCredentialEncrypted=keystore-password:" in live and "LoadCredential" not in paper
    assert "LoadCredentialEncrypted=node-url:" in live
    monkeypatch.setenv("PMM_RPC_URL", "https://node.example")
    assert "node-url" not in unit("--profile", "prod-001"), "the profile names it"
    monkeypatch.delenv("PMM_RPC_URL")
    assert "--live" not in live, "the yeses are not in the unit"
    command = unit("--profile", "prod-001", "--drop-in").strip().splitlines()[-1].removeprefix("ExecStart=")
    assert shlex.split(command)[-4:] == [str(ROOT / "profiles" / "prod-001.yaml"), "--live", "--confirm", "XXXX"]
    refused = CliRunner().invoke(cli.app, ["unit", "--profile", "demo", "--drop-in"])
    assert refused.exit_code == 2 and "only a profile of real money needs a drop-in" in refused.stderr


def test_it_is_the_users_own_and_names_what_has_to_be_there_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "port.yaml").write_text("api_port: 8599\n")
    text = unit("--profile", str(tmp_path / "port.yaml"), "--user", "nobody-here")
    assert 'ReadWritePaths="/home/nobody-here/.local/state/pmm-tui"' in text and "after three crashes" not in text
    assert '#   sudo -u nobody-here mkdir -p "/home/nobody-here/.local/state/pmm-tui"' in text
    assert "/home/nobody-here/.config/pmm-tui/api.token ]" in text and "api.token" not in unit("--profile", "prod-001")
    assert "LoadCredential" not in unit("--profile", "local-prod"), "a throw-away key has no password"


def test_what_systemd_keeps_is_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ValueError, match="the keystore needs its password"):
        password()
    (tmp_path / "keystore-password").write_text("correct horse\n")
    assert password() == "correct horse"
