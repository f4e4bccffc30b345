"""Places at which a test lets a process die, to see that what is half done is undone or done again."""

from __future__ import annotations

import os
import signal

from django.conf import settings

VARIABLE = "XFRA_FAILPOINT"


def reach(name: str) -> None:
    """In tests, die here as a power cut would if the environment says so. Nowhere else."""
    if settings.PROFILE == "test" and os.environ.get(VARIABLE) == name:
        os.kill(os.getpid(), signal.SIGKILL)
