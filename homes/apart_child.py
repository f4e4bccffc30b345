"""The child's side of homes.apart: reads a piece of work from its input, does it, writes what came of it; again."""

from __future__ import annotations

import importlib
import os
import pickle
import resource
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

from homes.apart import GOES, LENGTH, STAYS, Limits

_NICE: Final = 5
"""Pages and doors go first."""
_KEPT_BYTES: Final = 256 << 20
"""A child that has grown beyond this goes after its answer: what Python has taken, it hardly gives back."""


def serve() -> None:
    """Until the parent closes the pipe, or is gone."""
    given, told = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    os.nice(_NICE)
    is_new = True
    while head := given.read(LENGTH.size):
        module, name, arguments, named, limits = pickle.loads(given.read(*LENGTH.unpack(head)))  # noqa: S301
        try:
            work: Any = importlib.import_module(module)
            for part in name.split("."):
                work = getattr(work, part)
        finally:
            if is_new:
                told.write(b".")
                is_new = False
        answer = _do(work, arguments, named, limits)
        stays = _pages(1) <= _KEPT_BYTES
        _tell(told, (STAYS if stays else GOES) + answer)
        if not stays:
            return


def _do(work: Any, arguments: Any, named: Any, limits: Limits) -> bytes:
    limit = _pages(0) + limits.memory_bytes
    # The parent measures the time; where it is gone, this is the end.
    processor = int(time.process_time() + limits.seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (processor, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        return pickle.dumps((True, work(*arguments, **named)))
    except MemoryError:
        return pickle.dumps((False, MemoryError()))
    except Exception as error:
        return _pickled(error)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _pickled(error: Exception) -> bytes:
    """An exception that does not survive being pickled is told by its words."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
    try:
        said = pickle.dumps((False, error))
        pickle.loads(said)  # noqa: S301
    except Exception:
        return pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
    return said


def _tell(told: BinaryIO, answer: bytes) -> None:
    rest = memoryview(LENGTH.pack(len(answer)) + answer)
    while rest:
        rest = rest[told.write(rest) :]


def _pages(which: int) -> int:
    """Bytes of memory that this process has: mapped (0), or in use (1)."""
    return int(Path("/proc/self/statm").read_text().split()[which]) * resource.getpagesize()
