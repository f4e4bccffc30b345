"""The supervisor with tiny processes in place of the portal's: `python -m tests.local.stub_stack ...`.

XFRA_STUB is a list of words: `servers` adds the real Postgres and Redis, `crash` makes the worker fail at once,
`stubborn` makes it ignore SIGTERM, `badstep` makes a step fail.
"""

from __future__ import annotations

import os
import sys

from xfra_portal.local.__main__ import main
from xfra_portal.local.plan import Plan, Process, Step
from xfra_portal.local.portal import Options, make_plan
from xfra_portal.local.state import State

# Ready once the worker has said who its children are: a test that reads their ids right after the start finds them.
_WEB = """
import http.server, os, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        there = os.path.exists(os.environ["XFRA_DATA_DIR"] + "/grandchildren")
        self.send_response(200 if there else 503); self.end_headers()
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""
# Each has a child of its own, one of them in a session of its own, as Postgres' backends are.
_WORKER = """
import os, signal, subprocess, sys, time
words = os.environ.get("XFRA_STUB", "").split()
if "stubborn" in words: signal.signal(signal.SIGTERM, signal.SIG_IGN)
ids = [subprocess.Popen(["sleep", "600"], start_new_session=own).pid for own in (False, True)]
said = os.environ["XFRA_DATA_DIR"] + "/grandchildren"
with open(said + ".new", "w") as file: file.write(" ".join(map(str, ids)))
os.replace(said + ".new", said)
print("the worker says hello", flush=True)
if "crash" in words: sys.exit("the worker is broken")
time.sleep(600)
"""


def plan(options: Options) -> Plan:
    words = os.environ.get("XFRA_STUB", "").split()
    real = make_plan(options)
    step = "raise SystemExit('no such table')" if "badstep" in words else "print('done')"
    return Plan(
        data_dir=options.data_dir,
        env={"XFRA_DATA_DIR": str(options.data_dir), "SECRET": State(options.data_dir / "state.json").secret("stub")},
        servers=real.servers if "servers" in words else [],
        steps=[Step("migrate", "running the step", [sys.executable, "-c", step])],
        processes=[
            Process("web", [sys.executable, "-c", _WEB, str(options.port)], stop_rank=1, stop_seconds=2),
            Process("worker", [sys.executable, "-c", _WORKER], stop_rank=2, stop_seconds=1),
        ],
        ready_url=f"{options.url}/readyz",
        crash_limit=options.crash_limit,
        announce=lambda: ["the stub is up"],
    )


if __name__ == "__main__":
    sys.exit(main(plan))
