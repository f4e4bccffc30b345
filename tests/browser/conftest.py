"""A real Chromium, Debian's, against a running portal with a simulated fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from tests.stack import Stack, StackFactory

PASSWORD = "xfra-demo-2026"
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}


@pytest.fixture(scope="package")
def portal(stack: StackFactory) -> Iterator[Stack]:
    """Stopped when nobody visits it any more: its fleet keeps a processor busy."""
    made = stack(homes=4, days=3, simulator=True)
    yield made
    made.stop()


class Visit:
    """A signed-in page that remembers everything the browser complained about."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.url = url
        self.complaints: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def sign_in(self, email: str) -> Visit:
        self.page.goto(f"{self.url}/accounts/login/")
        self.page.fill("#id_login", email)
        self.page.fill("#id_password", PASSWORD)
        self.page.click("form .button[type=submit]")
        self.page.wait_for_url(lambda url: "/login" not in url)
        return self

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page


Enter = Callable[..., Visit]


@pytest.fixture
def enter(browser: Browser, portal: Stack) -> Iterator[Enter]:
    """enter("maya@example.com", viewport=PHONE, color_scheme="dark") -> Visit"""
    contexts: list[BrowserContext] = []

    def make(email: str | None = None, **options: Any) -> Visit:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        context.set_default_timeout(60_000)
        contexts.append(context)
        visit = Visit(context, portal.url)
        return visit.sign_in(email) if email else visit

    yield make
    for context in contexts:
        context.close()
