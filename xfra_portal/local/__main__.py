"""`python -m xfra_portal.local`: the complete portal on this machine, with real servers, until it is stopped."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from xfra_portal.local.console import Console
from xfra_portal.local.errors import StackError
from xfra_portal.local.plan import Plan
from xfra_portal.local.portal import ROOT, Options, make_plan
from xfra_portal.local.state import is_free, locked
from xfra_portal.local.supervisor import Supervisor


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make run ARGS=...", description=__doc__)
    add = parser.add_argument
    default_data_dir = os.environ.get("XFRA_DATA_DIR", str(ROOT / ".local"))
    add("--data-dir", type=Path, default=Path(default_data_dir), help="data, logs and passwords (default .local)")
    add("--port", type=int, default=os.environ.get("PORT", "8000"), help="the portal's port (default $PORT or 8000)")
    add("--no-simulator", dest="simulator", action="store_false", help="no simulated fleet")
    add("--no-seed", dest="seed", action="store_false", help="no demo homes and logins, and so no simulated fleet")
    add("--seed-homes", type=int, default=24, metavar="N", help="how many demo homes (default 24)")
    add("--seed-days", type=float, default=35, metavar="N", help="days of simulated history (default 35)")
    add(
        "--worker-concurrency",
        type=int,
        default=2,
        metavar="N",
        help="Celery's processes beside the drains (default 2)",
    )
    add("--crash-limit", type=int, default=5, metavar="N", help="crashes of one part in 60 s that stop everything")
    add("--servers-only", action="store_true", help="only Postgres and Redis")
    add("--not-durable", dest="durable", action="store_false", help="do not wait for the disk; for tests")
    add("--ephemeral", action="store_true", help="delete the data folder at the end; for tests")
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    given = vars(arguments).copy()
    del given["ephemeral"]
    given["data_dir"] = arguments.data_dir.absolute()
    return Options(**given)


def _run(options: Options, console: Console, ephemeral: bool, planner: Callable[[Options], Plan]) -> int:
    if not options.servers_only and not is_free(options.port):
        raise StackError(
            f"port {options.port} on 127.0.0.1 is taken by another program; choose another one:"
            f" PORT={options.port + 1} make run"
        )
    options.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(options.data_dir) as lock:
        try:
            return Supervisor(planner(options), console, lock).run()
        finally:
            if ephemeral:  # only what this run held the lock on
                shutil.rmtree(options.data_dir, ignore_errors=True)


def main(planner: Callable[[Options], Plan] = make_plan) -> int:
    """Run what `planner` plans; 0 after an orderly stop, 1 if the stack could not go on, 2 if it could not begin."""
    arguments = _parser().parse_args()
    console = Console()
    os.umask(0o077)
    try:
        return _run(_options(arguments), console, arguments.ephemeral, planner)
    except StackError as error:
        console.error(str(error))
        return 2


if __name__ == "__main__":
    sys.exit(main())
