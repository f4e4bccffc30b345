"""What the stack remembers between starts: its random passwords and the ports it chose."""

from __future__ import annotations

import fcntl
import json
import os
import random
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from xfra_portal.local.errors import StackError
from xfra_portal.local.files import write_json

# Below the range from which the kernel takes ports for outgoing connections: a port kept from the last start, or
# left alone for the second that a crashed server needs to come back, is not handed to somebody else meanwhile.
_PORTS = range(20_000, 32_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1 at this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on, chosen at random so that two stacks starting together seldom meet."""
    for port in random.SystemRandom().sample(_PORTS, 200):
        if is_free(port):
            return port
    raise StackError("no free port was found on 127.0.0.1")


class State:
    """Secrets and ports of one data folder, each made on first use and kept in a file that only its user can read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept: dict[str, dict[str, str | int]] = {"secrets": {}, "ports": {}, "folders": {}}
        if path.exists():
            self._kept.update(json.loads(path.read_text(encoding="utf-8")))

    def _keep(self, kind: str, name: str, value: str | int) -> None:
        self._kept[kind][name] = value
        write_json(self._path, self._kept)

    def secret(self, name: str) -> str:
        """A password of 48 hexadecimal digits: safe in URLs, config files and the environment as it is."""
        if name not in self._kept["secrets"]:
            self._keep("secrets", name, secrets.token_hex(24))
        return str(self._kept["secrets"][name])

    def port(self, name: str) -> int:
        """The port of last time if it is still free, otherwise another one."""
        kept = int(self._kept["ports"].get(name, 0))
        if not kept or not is_free(kept):
            kept = free_port()
            self._keep("ports", name, kept)
        return kept

    def folder(self, name: str) -> Path | None:
        """A folder outside the data folder that an earlier start noted."""
        kept = self._kept["folders"].get(name)
        return Path(str(kept)) if kept else None

    def keep_folder(self, name: str, path: Path) -> None:
        self._keep("folders", name, str(path))


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _acquire(handle: int, patience_seconds: float) -> None:
    """Take the lock. Only when its last supervisor is dead is it worth waiting: its guardian is still tidying up."""
    until = time.monotonic() + patience_seconds
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode().strip()
            if (holder and _is_running(int(holder))) or time.monotonic() > until:
                raise StackError(
                    f"a stack is already running on this data folder (process {holder or 'unknown'}); stop it first,"
                    " or give this one a folder of its own with --data-dir"
                ) from None
            time.sleep(0.1)


@contextmanager
def locked(data_dir: Path) -> Iterator[int]:
    """Hold the data folder for one supervisor; yields the lock's file descriptor, for the guardian to inherit."""
    handle = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(handle, patience_seconds=8)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield handle
    finally:
        os.close(handle)
