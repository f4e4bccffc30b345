"""As whom Postgres runs. It refuses root, and initdb wants a user that the password database knows."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
from pathlib import Path

from xfra_portal.local.child import Spec, launch_command
from xfra_portal.local.errors import StackError

SELF = "self"


def run_as(identity: str, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a short command under an identity, its output captured."""
    spec = Spec("", command, Path(os.devnull), death_signal=signal.SIGKILL, identity=identity)
    return subprocess.run(
        launch_command(spec, os.getpid()), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def _ordinary_user() -> pwd.struct_passwd:
    """Some user other than root, the traditional nobody if there is one."""
    try:
        return pwd.getpwnam("nobody")
    except KeyError:
        others = [user for user in pwd.getpwall() if user.pw_uid != 0]
        if not others:
            raise StackError("no user other than root is known here, and Postgres refuses to run as root") from None
        return others[0]


def _is_known(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def can_use(identity: str, program: Path) -> bool:
    return run_as(identity, [str(program), "--version"]).returncode == 0


def dropped() -> str:
    user = _ordinary_user()
    return f"dropped:{user.pw_uid}:{user.pw_gid}"


def choose(program: Path) -> str:
    """The identity for Postgres: this user; else a user namespace that renames it; else, as root, another user.

    The namespace comes before the other user because it can still read binaries and data below a private home.
    """
    if os.geteuid() != 0 and _is_known(os.geteuid()):
        return SELF
    mapped = f"mapped:{_ordinary_user().pw_uid}"
    if can_use(mapped, program):
        return mapped
    if os.geteuid() == 0 and can_use(dropped(), program):
        return dropped()
    raise StackError(
        "Postgres refuses to run as root, this system allows no user namespace, and an ordinary user cannot reach"
        f" {program}. Run as an ordinary user, put the project where others may read it, or set DATABASE_URL and"
        " DATABASE_OWNER_URL to a server of your own."
    )


def hand_over(folder: Path, identity: str) -> None:
    """Give a folder to a dropped identity, which cannot use what belongs to root."""
    kind, *numbers = identity.split(":")
    if kind == "dropped":
        os.chown(folder, int(numbers[0]), int(numbers[1]))
