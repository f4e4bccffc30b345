"""Sending the desk's forms as a browser does: with what the page's form holds."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

from django.contrib.messages import get_messages
from django.test import Client


def key() -> str:
    return uuid4().hex


def send(client: Client, address: str, **fields: Any) -> tuple[int, list[str]]:
    """Status of the answer, and what the clerk is told of it."""
    answer = client.post(address, {"key": key(), **fields})
    return answer.status_code, [str(message) for message in get_messages(answer.wsgi_request)][-1:]


def errors(html: str) -> list[str]:
    """What a page's fields complain about."""
    return re.findall(r'<p class="error"[^>]*>(.*?)</p>', html)
