"""What the local stack says when it cannot go on."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot start or go on; the message is for a person and names the remedy where there is one."""


class StopRequested(Exception):
    """Somebody asked the stack to stop (Ctrl-C, SIGTERM) while it was waiting for something."""
