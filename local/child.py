"""Becomes a server that ends when its starter ends, as another user if asked.

Run by path: ``python -I -S child.py <starter's pid> <signal> <user or -> <command>...``

Linux forgets a wish to be signalled at the starter's death when a process changes its user, so the wish comes
after the change and before the exec, which keeps it. Elsewhere nothing is wished: the next start ends leftovers.
"""

import os
import pwd
import sys
from collections.abc import Callable

PR_SET_PDEATHSIG = 1


def become(starter: int, death_signal: int, user: str, command: list[str]) -> None:
    """Replace this process by ``command``; does not return."""
    end_with_starter = _wish(death_signal)
    if user != "-":
        _drop_to(user)
    end_with_starter()
    if os.getppid() != starter:  # it died before the wish was made
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - a shell would be one process more


def _drop_to(user: str) -> None:
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def _wish(death_signal: int) -> Callable[[], object]:
    """The call that makes the wish; loaded beforehand, because the other user may not be able to read our library."""
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
