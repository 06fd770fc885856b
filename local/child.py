"""Become a server that ends when its starter ends, as another user if one is given.

Run by path: ``python -I -S child.py <starter's pid> <signal> <user or -> <command>...``

Linux clears PR_SET_PDEATHSIG when a process changes its user, so it is set after the change and before the exec,
which keeps it. On other systems there is none: the next start ends leftovers. This file imports nothing of this
project: it is run by path, isolated, and for a user who may not be able to read the other files.
"""

import os
import pwd
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def become(starter: int, death_signal: int, user: str, command: list[str]) -> None:
    """Replace this process by ``command``; does not return."""
    set_death_signal = _death_signal_setter(death_signal)
    if user != "-":
        _drop_to(user)
    set_death_signal()
    if os.getppid() != starter:  # it died before that
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - a shell would be another process


def _drop_to(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _death_signal_setter(death_signal: int) -> Callable[[], object]:
    """Return the call that sets the signal; ctypes is loaded now, as the other user may not be able to read it."""
    try:
        import ctypes  # noqa: PLC0415 - may be missing
    except ImportError:  # a Python built without libffi
        return lambda: None
    if sys.platform != "linux":
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, death_signal)


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
