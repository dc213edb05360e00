"""The daemon as a service of systemd: its unit, and where that belongs.

The unit asks for no rights: a user that exists only while it runs, nothing to write but its own state folder, system
calls of an ordinary service. That these suffice is tested under the same restrictions (tests/end_to_end/confined.py).
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from igentai.errors import ConfigurationError

UNIT: Final = "igentai.service"
SYSTEM_UNITS: Final = Path("/etc/systemd/system")
USER_UNITS: Final = Path(".config/systemd/user")  # below the home folder
HIDDEN: Final = (Path("/home"), Path("/root"), Path("/run/user"))  # by ProtectHome=yes

# Good for any process that has nothing to do with the system's administration; a user's own service manager can do
# these too. Two families of sockets for the network, one for systemd and the event loop.
_FOR_ALL: Final = """\
NoNewPrivileges=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
UMask=0077
LimitCORE=0
"""

# No memory that is both writable and executable: nothing here needs it, but a runtime of the embedded model may.
_NO_NEW_CODE: Final = "MemoryDenyWriteExecute=yes\n"

_FOR_THE_SYSTEM: Final = """\
DynamicUser=yes
StateDirectory=igentai
StateDirectoryMode=0700
ConfigurationDirectory=igentai
WorkingDirectory=%S/igentai
ProtectSystem=strict
ProtectHome=yes
PrivateMounts=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
KeyringMode=private
RemoveIPC=yes
CapabilityBoundingSet=
AmbientCapabilities=
"""

# Without a path systemd looks in /etc/credstore, and goes on without those that are not there.
_KEYS: Final = """\
LoadCredential=OPENAI_API_KEY
LoadCredential=ANTHROPIC_API_KEY
LoadCredential=GEMINI_API_KEY
"""


@dataclass(frozen=True, slots=True)
class Service:
    """What differs from one unit to another."""

    executable: Path
    port: int = 8080
    user: bool = False
    embedded: bool = False


def unit(service: Service) -> str:
    """The text of the unit.

    Raises:
        ConfigurationError: systemd could not start the executable.
    """
    outputs = "%h/.local/share/igentai/outputs" if service.user else "%S/igentai/outputs"
    config = "%h/.config/igentai/igentai.toml" if service.user else "%E/igentai/igentai.toml"
    parts = [
        f"""\
# Printed by `igentai service print`. Change it by a drop-in (systemctl edit igentai), not here.
[Unit]
Description=igentai: gets every item language models know about a topic
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=300
StartLimitBurst=5

[Service]
Type=notify
ExecStart={_quoted(service.executable)} orchestrator --outputs {outputs} --port {service.port}
ExecReload=kill -HUP $MAINPID
Environment=IGENTAI_CONFIG={config}
Restart=on-failure
RestartSec=2
# A wrong configuration does not mend itself.
RestartPreventExitStatus=2
WatchdogSec=30
TimeoutStartSec=60
# It drains for up to 10 s; then its producers are killed with it.
TimeoutStopSec=20
KillMode=mixed
# A producer that runs out of memory is replaced; that is no reason to end the daemon.
OOMPolicy=continue
""",
        "\n# Keys: files of these names in /etc/credstore, mode 0600.\n" + _KEYS if not service.user else "",
        "\n" + (_FOR_THE_SYSTEM if not service.user else ""),
        _FOR_ALL,
        "" if service.embedded else _NO_NEW_CODE,
        f"\n[Install]\nWantedBy={'default.target' if service.user else 'multi-user.target'}\n",
    ]
    return "".join(parts)


def own_executable() -> Path:
    """The `igentai` that runs now.

    Raises:
        ConfigurationError: it cannot be found.
    """
    beside = Path(sys.executable).parent / "igentai"
    found = beside if os.access(beside, os.X_OK) else Path(shutil.which("igentai") or "")
    if not found.name:
        raise ConfigurationError("the igentai command is not installed beside this Python; say --executable")
    return found.absolute()


def check_visible(service: Service, *more: Path) -> None:
    """Refuse a program that the service could not see.

    Raises:
        ConfigurationError: it lies in somebody's home folder, which is hidden from the service.
    """
    if service.user:
        return
    for path in (service.executable, *more):
        if any(path.resolve().is_relative_to(hidden) for hidden in HIDDEN):
            raise ConfigurationError(
                f"{path} is in a home folder, which the service cannot see: install igentai elsewhere (python3 -m venv "
                "/opt/igentai && /opt/igentai/bin/pip install igentai) and run that one, or say --user"
            )


def unit_path(*, user: bool) -> Path:
    return (Path.home() / USER_UNITS if user else SYSTEM_UNITS) / UNIT


def install(service: Service, path: Path) -> bool:
    """Write the unit. True where it replaced another.

    Raises:
        ConfigurationError: no permission, or no such place.
    """
    text = unit(service)
    temporary = path.with_name(f".{path.name}.new")
    try:
        replaced = path.exists() and path.read_text() != text
        if service.user:
            path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text)
        temporary.chmod(0o644)
        temporary.replace(path)
    except PermissionError:
        raise ConfigurationError(f"{path} may not be written: run this as root, or say --user") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; is systemd installed?") from error
    return replaced


def _quoted(path: Path) -> str:
    """A path as the first word of ExecStart, where % has a meaning and $ has none.

    Raises:
        ConfigurationError: systemd starts no program of such a name.
    """
    text = str(path.absolute())
    if any(sign in text for sign in "\"'\\\n\t"):
        raise ConfigurationError(
            f"{text} holds a sign that systemd does not take in a program's path; move it elsewhere"
        )
    text = text.replace("%", "%%")
    return f'"{text}"' if " " in text or ";" in text else text
