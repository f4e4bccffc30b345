"""The embedded Postgres and Redis: private, durable, restartable, under any user and path."""

from __future__ import annotations

import os
import signal
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import redis

from tests.stack import wait_for
from xfra_portal.local import identity
from xfra_portal.local.child import Child
from xfra_portal.local.errors import StackError
from xfra_portal.local.plan import Server
from xfra_portal.local.postgres import Postgres, programs
from xfra_portal.local.redis import Redis
from xfra_portal.local.state import State, free_port, is_free

pytestmark = pytest.mark.stack

Running = tuple[Server, Child]
Run = Callable[[Server], Child]
Shared = tuple[Postgres, Path]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="xfra-", dir="/tmp") as name:
        yield Path(name)


@contextmanager
def runner() -> Iterator[Callable[[Server], Child]]:
    """Starts servers and waits until they answer; they are stopped afterwards."""
    started: list[Running] = []

    def start(server: Server) -> Child:
        child = Child(server.prepare())
        child.start()
        started.append((server, child))
        wait_for(server.is_ready, 30, f"{server.name}: {child.log_tail()}")
        return child

    yield start
    for server, child in started:
        child.ask_to_stop()
        child.wait_or_kill(10)
        server.tidy_up()


@pytest.fixture
def run() -> Iterator[Run]:
    with runner() as start:
        yield start


def postgres_in(folder: Path, **options: str) -> Postgres:
    folder.mkdir(parents=True, exist_ok=True)
    return Postgres(
        folder / "postgres", folder / "postgres.log", State(folder / "state.json"), durable=False, **options
    )


@pytest.fixture(scope="module")
def shared() -> Iterator[Shared]:
    """A server that several tests only look at, and its data folder."""
    with tempfile.TemporaryDirectory(prefix="xfra-", dir="/tmp") as name, runner() as start:
        server = postgres_in(Path(name))
        start(server)
        yield server, Path(name)


def query(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else None


def test_roles_may_what_they_need_and_no_more(shared: Shared) -> None:
    server, _ = shared
    app, owner = server.env()["DATABASE_URL"], server.env()["DATABASE_OWNER_URL"]
    roles = "SELECT rolname, rolsuper, rolcreatedb, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname ~ '^xfra'"
    assert query(app, roles + " ORDER BY 1") == [
        ("xfra_app", False, False, False, False),
        ("xfra_owner", False, True, False, False),
    ]
    query(owner, "CREATE TABLE things (id int)")
    query(app, "CREATE TEMPORARY TABLE passing (id int)")
    for statement in ("CREATE TABLE mine (id int)", "SELECT * FROM things", "CREATE DATABASE mine"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query(app, statement)


def test_a_new_database_has_the_extensions(shared: Shared) -> None:
    server, _ = shared
    owner = server.env()["DATABASE_OWNER_URL"]
    query(owner, "CREATE DATABASE copy")
    for url in (owner, owner.removesuffix("/xfra") + "/copy"):
        found = query(url, "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1")
        assert found == [("btree_gist",), ("pg_stat_statements",)]


def test_the_superuser_is_let_in_through_the_private_socket_only(shared: Shared) -> None:
    server, folder = shared
    port = psycopg.conninfo.conninfo_to_dict(server.env()["DATABASE_URL"])["port"]
    password = State(folder / "state.json").secret("postgres-postgres")
    with pytest.raises(psycopg.OperationalError, match="pg_hba"):
        psycopg.connect(host="127.0.0.1", port=port, user="postgres", password=password, dbname="xfra")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.env()["DATABASE_URL"], password="wrong")
    for private in ("postgres", "postgres/data", "postgres/socket"):
        assert stat.S_IMODE((folder / private).stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "state.json").stat().st_mode) == 0o600


def test_postgres_starts_again_after_kill_9_with_its_data(folder: Path, run: Run) -> None:
    first = postgres_in(folder)
    child = run(first)
    query(first.env()["DATABASE_OWNER_URL"], "CREATE TABLE kept AS SELECT 7 AS n")
    os.kill(child.pid or 0, signal.SIGKILL)
    wait_for(child.exit_code)
    assert (folder / "postgres" / "data" / "postmaster.pid").exists()
    again = postgres_in(folder)
    run(again)
    assert again.env() == first.env()
    assert query(again.env()["DATABASE_OWNER_URL"], "SELECT n FROM kept") == [(7,)]


def test_a_stale_pid_file_that_names_a_living_stranger_is_no_obstacle(folder: Path, run: Run) -> None:
    child = run(postgres_in(folder))
    child.ask_to_stop()
    child.wait_or_kill(10)
    data = folder / "postgres" / "data"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n0\n5432\n\n\n\n")
    run(postgres_in(folder))


def test_a_long_path_gets_a_short_socket_folder_that_is_removed(folder: Path, run: Run) -> None:
    long = folder / ("d" * 60) / "with a blank, a comma and 'quotes'" / ("e" * 60)
    server = postgres_in(long)
    child = run(server)
    path = State(long / "state.json").folder("postgres-socket")
    assert path is not None
    assert len(os.fsencode(path)) < 60
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    child.ask_to_stop()
    child.wait_or_kill(10)
    server.tidy_up()
    assert not path.exists()


def test_an_odd_path_is_no_obstacle(folder: Path, run: Run) -> None:
    server = postgres_in(folder / "a 'b' c")
    run(server)
    assert query(server.env()["DATABASE_URL"], "SELECT 1") == [(1,)]
    assert (folder / "a 'b' c" / "postgres" / "socket").is_dir()


def test_an_interrupted_initdb_is_begun_anew(folder: Path, run: Run) -> None:
    (folder / "postgres" / "unfinished" / "base").mkdir(parents=True)
    run(postgres_in(folder))
    assert not (folder / "postgres" / "unfinished").exists()


@as_root
@pytest.mark.parametrize("kind", ["mapped", "dropped"])
def test_as_root_postgres_runs_as_somebody_else(folder: Path, run: Run, kind: str) -> None:
    chosen = identity.dropped() if kind == "dropped" else f"mapped:{identity.dropped().split(':')[1]}"
    if not identity.can_use(chosen, programs() / "postgres"):
        pytest.skip(f"this system does not let root run Postgres as {kind}")
    folder.chmod(0o711)
    server = postgres_in(folder / "data", identity=chosen)
    child = run(server)
    assert query(server.env()["DATABASE_URL"], "SELECT 1") == [(1,)]
    owner = Path(f"/proc/{child.pid}").stat().st_uid
    assert owner == (int(identity.dropped().split(":")[1]) if kind == "dropped" else 0)


@as_root
def test_as_root_an_unreachable_folder_is_explained(folder: Path) -> None:
    with pytest.raises(StackError, match="cannot reach"):
        postgres_in(folder / "private", identity=identity.dropped()).prepare()


def test_the_identity_is_chosen_in_order_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(identity, "can_use", lambda kind, program: tried.append(kind.split(":")[0]))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(StackError, match="ordinary user"):
        identity.choose(Path("postgres"))
    assert tried == ["mapped", "dropped"]


def test_redis_keeps_what_it_acknowledged_through_kill_9(folder: Path, run: Run) -> None:
    def server() -> Redis:
        return Redis(folder / "redis", folder / "redis.log", State(folder / "state.json"))

    first = server()
    child = run(first)
    client = redis.Redis.from_url(first.env()["REDIS_URL"])
    assert client.config_get("appendfsync") == {"appendfsync": "always"}
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    for index in range(200):
        client.xadd("stream", {"n": index})
    os.kill(child.pid or 0, signal.SIGKILL)
    wait_for(child.exit_code)
    again = server()
    run(again)
    assert again.env() == first.env()
    assert redis.Redis.from_url(again.env()["REDIS_URL"]).xlen("stream") == 200


def test_redis_wants_its_password_which_no_command_line_shows(folder: Path, run: Run) -> None:
    server = Redis(folder / "with 'quotes' \"and\" blanks", folder / "redis.log", State(folder / "state.json"))
    child = run(server)
    address, password = server.env()["REDIS_URL"].rsplit("@", 1)[1], State(folder / "state.json").secret("redis")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"redis://{address}").ping()
    assert password not in Path(f"/proc/{child.pid}/cmdline").read_text()


def test_a_port_is_kept_while_it_is_free(folder: Path) -> None:
    state = State(folder / "state.json")
    port = state.port("postgres")
    assert State(folder / "state.json").port("postgres") == port
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert State(folder / "state.json").port("postgres") != port
    assert is_free(free_port())


def test_the_run_s_own_servers_are_ready() -> None:
    assert query(os.environ["DATABASE_URL"], "SELECT current_user") == [("xfra_app",)]
    assert os.environ["XFRA_PROFILE"] == "test"
    assert redis.Redis.from_url(os.environ["REDIS_URL"]).ping()
