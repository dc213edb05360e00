"""Runs a command under those restrictions of a systemd unit that the kernel enforces.

    python -m tests.end_to_end.confined UNIT COMMAND...

What systemd builds from SystemCallFilter, RestrictAddressFamilies, RestrictNamespaces, MemoryDenyWriteExecute,
NoNewPrivileges and an empty CapabilityBoundingSet is built here again with the same library (libseccomp) and the same
lists (`systemd-analyze syscall-filter`). Its views of the file system are not: they need a service manager.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

LIBRARY: Final = "libseccomp.so.2"
ALLOW: Final = 0x7FFF0000
REFUSE: Final = 0x00050000 | errno.EPERM
NOT_THERE: Final = 0x00050000 | errno.ENOSYS
NO_FAMILY: Final = 0x00050000 | errno.EAFNOSUPPORT
LESS, EQUAL, GREATER, MASKED = 2, 4, 6, 7
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 38, 24
LAST_FAMILY: Final = 45
NAMESPACES: Final = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000


class Comparison(ctypes.Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


class Filter:
    """One seccomp filter. Several may be loaded: the strictest verdict counts."""

    def __init__(self, default: int) -> None:
        self._library = ctypes.CDLL(LIBRARY)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(default)))

    def rule(self, action: int, name: str, *comparisons: tuple[int, int, int, int]) -> None:
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # this machine has no such call
        array = (Comparison * len(comparisons))(*(Comparison(*each) for each in comparisons))
        code = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(comparisons), array
        )
        assert code == 0, (name, code)

    def load(self) -> None:
        assert self._library.seccomp_load(self._context) == 0


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Every setting of a unit with its values, in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def expanded(name: str) -> set[str]:
    """The calls of a set such as @system-service."""
    if not name.startswith("@"):
        return {name}
    shown = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
    members = [line.strip() for line in shown.stdout.splitlines()[1:]]
    return {call for member in members if member and not member.startswith("#") for call in expanded(member)}


def confine(unit: Path) -> None:
    """Give this process, and what it starts, the restrictions of `unit`. There is no way back."""
    told = settings_of(unit)
    filters = [_families(told["RestrictAddressFamilies"][0].split()), _namespaces()]
    if told.get("MemoryDenyWriteExecute") == ["yes"]:
        filters.append(_no_new_code())
    libc: Any = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # as root: the next exec is without any
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    filters.append(_calls(told["SystemCallFilter"]))  # the last: it refuses to load further ones
    for each in filters:
        each.load()


def _calls(lines: list[str]) -> Filter:
    allowed = expanded("@default")
    for line in lines:
        for word in line.lstrip("~").split():
            allowed = allowed - expanded(word) if line.startswith("~") else allowed | expanded(word)
    filter_ = Filter(REFUSE)
    for name in sorted(allowed):
        filter_.rule(ALLOW, name)
    return filter_


def _families(names: list[str]) -> Filter:
    allowed = {int(getattr(socket, name)) for name in names}
    filter_ = Filter(ALLOW)
    filter_.rule(NO_FAMILY, "socket", (0, GREATER, LAST_FAMILY, 0))
    for family in range(LAST_FAMILY + 1):
        if family not in allowed:
            filter_.rule(NO_FAMILY, "socket", (0, EQUAL, family, 0))
    return filter_


def _namespaces() -> Filter:
    filter_ = Filter(ALLOW)
    filter_.rule(REFUSE, "setns")
    filter_.rule(NOT_THERE, "clone3")  # its flags are in memory, where a filter cannot look; libc falls back to clone
    for flag in NAMESPACES:
        filter_.rule(REFUSE, "unshare", (0, MASKED, flag, flag))
        filter_.rule(REFUSE, "clone", (0, MASKED, flag, flag))
    return filter_


def _no_new_code() -> Filter:
    filter_ = Filter(ALLOW)
    both = PROT_WRITE | PROT_EXEC
    filter_.rule(REFUSE, "mmap", (2, MASKED, both, both))
    filter_.rule(REFUSE, "mprotect", (2, MASKED, PROT_EXEC, PROT_EXEC))
    filter_.rule(REFUSE, "pkey_mprotect", (2, MASKED, PROT_EXEC, PROT_EXEC))
    filter_.rule(REFUSE, "shmat", (2, MASKED, SHM_EXEC, SHM_EXEC))
    return filter_


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
