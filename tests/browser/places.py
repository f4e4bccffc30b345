"""The main pages of everybody, so that a question to every page is asked of every page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.browser.conftest import Visit


@dataclass(frozen=True)
class Place:
    """Whose pages: the paths that are known, and links that are found on one of them (path, pattern of the link)."""

    who: str
    email: str | None
    paths: tuple[str, ...]
    found: tuple[tuple[str, str], ...] = ()


_ACCOUNT = (
    "/accounts/password/change/",
    "/accounts/email/",
    "/accounts/2fa/",
    "/accounts/sessions/",
    "/accounts/logout/",
)
OF_GUESTS = Place("guest", None, ("/accounts/login/", "/accounts/password/reset/", "/nothing/here/"))
OF_HOSTS = Place(
    "host",
    "maya@example.com",
    (
        "",
        "electricity/",
        "electricity/month/",
        "statements/",
        "agreement/",
        "payouts/",
        "internet/",
        "battery/",
        *_ACCOUNT,
    ),
    (
        ("statements/", r"/statements/\d+/$"),
        ("statements/", r"/statements/\d+/$ /lines/\d+/$"),
        ("electricity/month/", r"/lines/\d+/$"),
    ),
)
OF_OPERATORS = Place(
    "operator", "operator@example.com", ("/fleet/", "/fleet/nodes/xfra-00001/", "/fleet/dead-letters/", "/api/v1/docs/")
)
_DESK = ("", "exceptions/", "homes/", "payouts/", "bills/", "tariffs/", "tariffs/1/", "questions/", "log/")
_A_HOME = r"/billing/homes/[0-9a-f-]{36}/$"
OF_BILLING = Place(
    "billing",
    "billing@example.com",
    tuple(f"/billing/{path}" for path in _DESK),
    (
        ("/billing/", r"/billing/months/[\d-]+/$"),
        ("/billing/homes/", _A_HOME),
        ("/billing/homes/", rf"{_A_HOME} /agreement/$"),
        ("/billing/homes/", rf"{_A_HOME} /billing/statements/\d+/$"),
        ("/billing/homes/", rf"{_A_HOME} /billing/statements/\d+/$ /lines/\d+/$"),
    ),
)


def addresses(visit: Visit, places: Place) -> list[str]:
    """Whole addresses; a path without a slash is of the person's own home, where signing in has led."""
    start = visit.page.url
    whole = [visit.url + path if path.startswith("/") else start + path for path in places.paths]
    for path, patterns in places.found:
        page = visit.url + path if path.startswith("/") else start + path
        for pattern in patterns.split(" "):
            visit.page.goto(page)
            links = visit.page.evaluate("[...document.links].map((link) => link.href.split(/[?#]/)[0])")
            page = next(link for link in links if re.search(pattern, link))
        whole.append(page)
    return whole
