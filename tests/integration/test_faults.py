"""Parts that go away without being killed, and an orderly stop: what senders and people are told meanwhile.

Each test also counts: every sample that was answered 2xx is stored exactly once afterwards.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from tests.figures import Figures, spread
from tests.integration.bench import Bench, family_of, freeze, thaw
from tests.integration.flow import finish, now_ms, wait_flowing
from tests.integration.sender import Sender
from tests.integration.stored import stream_is_empty, wait_stored
from tests.stack import wait_for

pytestmark = pytest.mark.stack

PAGES = ("/accounts/login/", "/api/v1/me", "/", "/api/v1/homes")
PATIENCE_S = 2.5
BODY = b"\x00"  # an empty snappy block: a body that says nothing


@pytest.fixture
def sender(bench: Bench) -> Iterator[Sender]:
    """Under way, and known to the door."""
    bench.start_over()
    made = Sender(bench.stack.url, bench.tokens).start()
    wait_flowing(bench, made)
    yield made
    made.abandon()


@contextmanager
def _frozen(pids: list[int]) -> Iterator[None]:
    try:
        freeze(pids)
        yield
    finally:
        thaw(pids)


def _write(bench: Bench, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/x-protobuf"}
    return httpx.post(f"{bench.stack.url}/api/v1/write", content=BODY, headers=headers, timeout=10).status_code


def _assert_pages_say_503_soon(bench: Bench) -> list[float]:
    """The seconds that each took."""
    took = []
    with httpx.Client(base_url=bench.stack.url, timeout=10, cookies={"sessionid": "0" * 32}) as client:
        for path in PAGES:
            began = time.monotonic()
            answer = client.get(path)
            seconds = time.monotonic() - began
            assert answer.status_code == 503, path
            assert seconds <= PATIENCE_S, path
            assert answer.headers["Retry-After"]
            took.append(seconds)
    assert httpx.get(f"{bench.stack.url}/healthz").status_code == 200
    return took


def _parts(bench: Bench) -> dict[str, str]:
    answer = httpx.get(f"{bench.stack.url}/readyz", timeout=10)
    assert answer.status_code == 503
    parts: dict[str, str] = answer.json()["parts"]
    return parts


def _seconds_until_stored(bench: Bench, sender: Sender) -> float:
    """Until what is sent from now on is in the database, with all that was sent before."""
    began = time.monotonic()
    wait_stored(bench.stack, sender, now_ms(), 60)
    return time.monotonic() - began


def _count(sender: Sender, outcome: str) -> int:
    return sender.outcomes[outcome]


@pytest.mark.parametrize("how", ["dead", "frozen"])
def test_while_postgres_is_away_the_door_buffers_and_pages_say_so(
    bench: Bench, sender: Sender, how: str, figures: Figures
) -> None:
    postmaster, *backends = family_of(bench.stack.pids["postgres"])
    asleep = [postmaster] if how == "dead" else [postmaster, *backends]
    with _frozen(asleep):
        if how == "dead":
            for pid in backends:
                with suppress(ProcessLookupError):  # some come and go
                    os.kill(pid, signal.SIGKILL)
        before, at_ms = _count(sender, "204"), now_ms()
        pages = _assert_pages_say_503_soon(bench)
        assert _parts(bench)["postgres"] != "ok"
        assert _parts(bench)["redis"] == "ok"
        assert _write(bench, "xfn_999999_nobody") == 503
        wait_for(lambda: sender.all_newer_than(at_ms), 20, "known callers to be accepted without the database")
        accepted = _count(sender, "204") - before
        assert accepted > 2 * len(sender.nodes)
    stored = _seconds_until_stored(bench, sender)
    line = f"503 after {spread(pages)} pages; {accepted} bodies accepted meanwhile, the slowest answer of the door took"
    line += f" {sender.slowest_s:.1f} s; stored again {stored:.1f} s after it was back"
    figures.note(f"Postgres {how}", line)
    bench.stack.wait_ready(60)
    finish(bench, sender)


def test_a_stopped_worker_costs_nothing_but_time(bench: Bench, sender: Sender, figures: Figures) -> None:
    with _frozen([pid for part in ("ingest", "worker") for pid in family_of(bench.stack.pids[part])]):
        at_ms = now_ms()
        time.sleep(6)
        assert sender.all_newer_than(at_ms)
        assert not stream_is_empty(bench.stack)
    stored = _seconds_until_stored(bench, sender)
    figures.note("worker frozen", f"stored again {stored:.1f} s after it went on")
    finish(bench, sender)


def test_while_redis_is_away_nothing_is_acknowledged(bench: Bench, sender: Sender) -> None:
    with _frozen([bench.stack.pids["redis"]]):
        time.sleep(1)  # what was under way is answered
        before = _count(sender, "204")
        assert _parts(bench)["redis"] != "ok"
        wait_for(lambda: sender.outcomes["503"] > 0, 20, "senders to be told to try again")
        assert _count(sender, "204") == before
    wait_stored(bench.stack, sender, now_ms(), 60)
    bench.stack.wait_ready(60)
    finish(bench, sender)


def test_sigterm_under_load_loses_nothing_and_takes_less_than_30_seconds(
    bench: Bench, sender: Sender, figures: Figures
) -> None:
    began = time.monotonic()
    assert bench.stack.stop() == 0
    stopped = time.monotonic() - began
    bench.restart()
    started = time.monotonic() - began - stopped
    line = f"stopped in {stopped:.1f} s, ready again after another {started:.1f} s"
    figures.note("SIGTERM under load", line)
    assert stopped < 30
    wait_stored(bench.stack, sender, now_ms(), 60)
    finish(bench, sender)
