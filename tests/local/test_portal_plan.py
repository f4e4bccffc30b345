"""What the portal's own plan runs, with processes for each queue that serve it and nothing else, and what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.conf import settings

from xfra_portal.celery import app
from xfra_portal.local.portal import Options, make_plan


def after(command: Sequence[str], option: str) -> str:
    return command[command.index(option) + 1]


@pytest.mark.parametrize("shards", ["1", "5"])
def test_draining_has_a_process_for_each_shard_and_nothing_else_waits_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards: str
) -> None:
    monkeypatch.setenv("XFRA_INGEST_SHARDS", shards)
    plan = make_plan(Options(tmp_path, 8000))
    workers = [process.command for process in plan.processes if "worker" in process.command]
    served = {after(command, "-Q"): int(after(command, "--concurrency")) for command in workers}
    assert served == {"ingest": int(shards), "default": 2}
    assert plan.env["XFRA_INGEST_SHARDS"] == shards, "all parts agree"
    asked = {entry.get("options", {}).get("queue", "default") for entry in app.conf.beat_schedule.values()}
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    assert asked | routed <= served.keys()


def test_it_says_where_it_is_and_who_may_sign_in(tmp_path: Path) -> None:
    plan = make_plan(Options(tmp_path, 8123))
    assert plan.announce is not None
    person = {"email": "maya@example.com", "password": "p", "role": "owner"}
    (tmp_path / "demo.json").write_text(json.dumps({"url": "", "users": [person], "nodes": []}))
    said = "\n".join(plan.announce())
    for words in ("http://127.0.0.1:8123", "maya@example.com  p  (owner)", "passkeys", "http://localhost:8123"):
        assert words in said
    assert str(tmp_path) in said
