"""Turn this process into another program that dies with the supervisor.

Run as a script: `launcher.py PARENT_PID DEATH_SIGNAL IDENTITY COMMAND...`, IDENTITY being `self`, `mapped:UID` or
`dropped:UID:GID`. It execs, so the process id stays the one that the supervisor started.

Why a script and not `preexec_fn`: nothing of the supervisor's Python state is touched between fork and exec, and the
order matters. The kernel forgets a parent-death signal when credentials change, so it is asked for last; and a
parent that died before that would never be noticed, so the parent is compared afterwards.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _fail(what: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def map_user(uid: int) -> None:
    """Enter a user namespace in which the present user is called `uid`.

    Files keep their real owner, so whatever this user could read stays readable; but a program that refuses to run
    as root no longer sees root, and at exec it loses every capability.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if _libc().unshare(_CLONE_NEWUSER) != 0:
        _fail("unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{uid} {outer_gid} 1")


def drop_to(uid: int, gid: int) -> None:
    """Become another ordinary user for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def take_identity(identity: str) -> None:
    kind, *numbers = identity.split(":")
    if kind == "mapped":
        map_user(int(numbers[0]))
    elif kind == "dropped":
        drop_to(int(numbers[0]), int(numbers[1]))


def die_with(parent: int, signal_number: int) -> None:
    if sys.platform != "linux":
        return  # elsewhere the guardian alone does this
    if _libc().prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
        _fail("prctl")
    if os.getppid() != parent:
        sys.exit("the supervisor is already gone")


def main(arguments: list[str]) -> None:
    parent, death_signal, identity, *command = arguments
    take_identity(identity)
    die_with(int(parent), int(death_signal))
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
