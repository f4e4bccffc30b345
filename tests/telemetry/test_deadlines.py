"""Waiting ends in time, for everybody who is late and nobody else."""

from __future__ import annotations

import asyncio

import pytest

from telemetry import deadlines
from telemetry.deadlines import Deadlines


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "LOOK_SECONDS", 0.01)


async def after(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


def test_who_is_late_is_told_and_who_is_not_has_the_answer() -> None:
    async def run() -> list[float | BaseException]:
        known = Deadlines()
        waits = [known.keep(0.2, after(seconds)) for seconds in (0.0, 30.0, 0.01, 60.0)]
        return await asyncio.gather(*waits, return_exceptions=True)

    first, late, second, later = asyncio.run(run())
    assert (first, second) == (0.0, 0.01)
    assert isinstance(late, TimeoutError)
    assert isinstance(later, TimeoutError)


def test_a_task_that_was_late_goes_on_and_may_wait_again() -> None:
    async def run() -> float:
        known = Deadlines()
        with pytest.raises(TimeoutError):
            await known.keep(0.02, after(30))
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()
        return await known.keep(5, after(0.03))

    assert asyncio.run(run()) == 0.03


def test_who_is_cancelled_by_somebody_else_is_not_late() -> None:
    async def run() -> None:
        task = asyncio.create_task(Deadlines().keep(5, after(30)))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_an_error_is_passed_on_and_a_new_event_loop_begins_anew() -> None:
    async def fail() -> None:
        raise ValueError("as it is")

    known = Deadlines()
    for _ in range(2):
        with pytest.raises(ValueError, match="as it is"):
            asyncio.run(known.keep(5, fail()))
        with pytest.raises(TimeoutError):
            asyncio.run(known.keep(0.02, after(30)))
