"""`pmm-tui unit`: a desk as a service of systemd, its key's password kept by systemd and not in a file of the user."""

import pwd
import shlex
import sys
from pathlib import Path

from pmm_tui.runtime.places import CannotStart, logs_folder, state_folder
from pmm_tui.runtime.profile import Profile, config_folder, load

CREDENTIAL = "keystore-password"
NODE_CREDENTIAL = "node-url"
"""The files in which systemd hands a service its secrets."""
_UNIT = """\
# {name}: put this into /etc/systemd/system/{name}, then:
#   sudo -u {user} mkdir -p {writes}
{token}#   sudo systemctl daemon-reload && sudo systemctl enable --now {name}
#   journalctl -u {name} -f          # its log
#   pmm-tui ps                       # as the same user: how it stands
[Unit]
Description=pmm-tui desk {profile}
Wants=network-online.target
After=network-online.target time-sync.target
# {loops}
StartLimitIntervalSec=600
StartLimitBurst=10

[Service]
Type=exec
User={user}
ExecStart={command}
{credential}# SIGTERM: admission closes, everything is cancelled and verified by two readings, the journal is closed.
KillSignal=SIGTERM
TimeoutStopSec=60
# 2: it cannot start as it is configured; 3: killed, or orders not proven gone. Both need a person.
Restart=on-failure
RestartPreventExitStatus=2 3
RestartSec=5
UMask=0077
LimitNOFILE=65536
LimitCORE=0
OOMScoreAdjust=-500
NoNewPrivileges=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
LockPersonality=yes
ReadWritePaths={writes}

[Install]
WantedBy=multi-user.target
"""
_LOOPS = {
    True: "Restarts are the desk's own matter: after three crashes in ten minutes it starts paused. This only ends a loop before that.",
    False: "This ends a loop of crashes.",
}
_TOKEN = """\
#   sudo -u {user} sh -c 'umask 077; mkdir -p {config}; [ -e {config}/api.token ] || head -c 32 /dev/urandom | base64 > {config}/api.token'
"""
_CREDENTIAL = """\
# The password of the keystore, readable by this service alone. Make it once:
#   sudo systemd-creds encrypt --name={name} - /etc/credstore.encrypted/{file}
LoadCredentialEncrypted={name}:/etc/credstore.encrypted/{file}
"""
_NODE = """\
# The URL of a node of the chain, readable by this service alone: without one real money does not start. Make it once:
#   sudo systemd-creds encrypt --name={name} - /etc/credstore.encrypted/{file}
LoadCredentialEncrypted={name}:/etc/credstore.encrypted/{file}
"""
_DROP_IN = """\
# /etc/systemd/system/{name}.d/real-money.conf: the two yeses that only its owner gives, in a file of its own.
# The third is `pmm-tui preflight --profile {profile}`, which is valid for a day: without it the desk refuses to start (exit code 2).
[Service]
ExecStart=
ExecStart={command} --live --confirm XXXX
"""


def show_unit(name: str, user: str, drop_in: bool) -> int:
    """Print the unit of a profile's desk, or the drop-in with which its owner says yes to real money."""
    profile = load(name)
    unit = f"pmm-tui-{profile.name}.service"
    if drop_in:
        if not profile.is_live:
            raise CannotStart(f"{profile.file}: mode is {profile.run().mode}: only a profile of real money needs a drop-in")
        sys.stdout.write(_DROP_IN.format(name=unit, profile=profile.name, command=_command(profile)))
        return 0
    trades = profile.is_live and not profile.is_loopback
    credential = _CREDENTIAL.format(name=CREDENTIAL, file=f"pmm-tui-{profile.name}") if trades else ""
    if trades and not profile.live().rpc_url:
        credential += _NODE.format(name=NODE_CREDENTIAL, file=f"pmm-tui-{profile.name}-node")
    home = _home(user)
    paths = [_theirs(path, home) for path in (state_folder(), logs_folder(profile, None).absolute())]
    settings = profile.run()
    text = _UNIT.format(
        name=unit,
        profile=profile.name,
        user=user,
        command=_command(profile),
        credential=credential,
        writes=" ".join(f'"{path}"' for path in dict.fromkeys(paths)).replace("%", "%%"),
        loops=_LOOPS[profile.is_live],
        token=_TOKEN.format(user=user, config=_theirs(config_folder(), home)) if settings.api_port and not settings.api_token_file else "",
    )
    sys.stdout.write(text)
    return 0


def _home(user: str) -> Path:
    """A user's home; of one that this machine does not have yet, where it will be."""
    try:
        return Path(pwd.getpwnam(user).pw_dir)
    except KeyError:
        return Path("/home") / user


def _theirs(path: Path, home: Path) -> Path:
    """A folder of ours as that user has it."""
    return home / path.relative_to(Path.home()) if path.is_relative_to(Path.home()) else path


def _command(profile: Profile) -> str:
    """The desk, started as this program was."""
    words = [sys.executable, "-m", "pmm_tui", "--no-ui", "--profile", str(Path(profile.file).resolve())]
    return shlex.join(words).replace("%", "%%")
