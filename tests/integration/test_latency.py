"""How long a value takes from an exporter, through a real Prometheus and the portal, into a real browser's page.

Speed is measured here and not asserted: only a value that never arrives, or after so long that something is broken,
fails the test.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.figures import Figures, spread
from tests.integration.prometheus import Agent
from tests.stack import Stack, StackFactory

pytestmark = [pytest.mark.alone, pytest.mark.prometheus]

VALUES = 50
BROKEN_S = 10.0
_FIRST_WATTS = 101
_LAST_WATTS = 998  # shown as whole watts; from a kilowatt on figures are rounded
# The value that is watched comes last, in the second body of its scrape.
_FILLER = "".join(f'node_filler_total{{n="{n}"}} %d\n' for n in range(600))
_PAGE = _FILLER + 'xfra_panel_power_watts{channel="home"} %d\n'
_WATCH = """
() => {
  window.seen = [];
  const figure = document.querySelector('[data-bind="power.home_watts"]');
  const note = () => window.seen.push([performance.timeOrigin + performance.now(), figure.textContent]);
  new MutationObserver(note).observe(figure, {characterData: true, childList: true, subtree: true});
}
"""


class Exporter(ThreadingHTTPServer):
    """Serves the scrape's number as the home's power: what the page shows tells which scrape it saw."""

    daemon_threads = True

    def __init__(self) -> None:
        self.scrapes: list[tuple[int, float]] = []
        """(watts, seconds since the epoch when they were served)"""
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, name="exporter", daemon=True).start()

    def text(self) -> str:
        watts = min(_FIRST_WATTS + len(self.scrapes), _LAST_WATTS)
        self.scrapes.append((watts, time.time()))
        return _PAGE.replace("%d", str(watts))


class _Handler(BaseHTTPRequestHandler):
    server: Exporter

    def do_GET(self) -> None:
        body = self.server.text().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the base class names it so
        """A scrape a second is not news."""


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    made = Exporter()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def page(stack: StackFactory, browser: Browser) -> Iterator[Page]:
    """The home page of the first demo home's owner."""
    portal = stack(homes=2)
    owner = next(user for user in portal.demo["users"] if user["role"] == "owner")
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{portal.url}/accounts/login/")
    page.fill("#id_login", owner["email"])
    page.fill("#id_password", owner["password"])
    page.click("form .button[type=submit]")
    page.wait_for_selector("[data-live]")
    yield page
    context.close()


def test_from_scrape_to_screen(
    stack: StackFactory, exporter: Exporter, page: Page, tmp_path: Path, figures: Figures
) -> None:
    portal: Stack = stack(homes=2)
    page.evaluate(_WATCH)
    agent = Agent(tmp_path / "agent", exporter.server_port, portal.url, portal.demo["nodes"][0]["token"])
    try:
        shown = _watch(page, exporter)
    finally:
        agent.stop()
    delays = _delays(exporter, shown)
    assert len(delays) == VALUES
    figures.note("scrape to screen", spread(delays))
    assert max(delays) < BROKEN_S, _evidence(agent, portal)


def _evidence(agent: Agent, portal: Stack) -> str:
    logs = (agent.log, *(portal.data_dir / "log" / f"{part}.log" for part in ("web", "ingest", "worker")))
    return "\n".join(f"{log.name}: {log.read_text()[-1500:]}" for log in logs)


def _watch(page: Page, exporter: Exporter) -> list[tuple[int, float]]:
    """(watts, when they were shown) until `VALUES` scrapes after the first one that was shown have been shown too."""
    shown: list[tuple[int, float]] = []

    def is_enough() -> bool:
        shown[:] = _seen(page)
        return bool(shown) and shown[-1][0] - shown[0][0] >= VALUES

    page.wait_for_timeout(1000)
    until = time.monotonic() + VALUES * 2.5 + 30
    while not is_enough():
        assert time.monotonic() < until, f"only {shown} of {len(exporter.scrapes)} scrapes were shown"
        page.wait_for_timeout(500)
    return shown


def _seen(page: Page) -> list[tuple[int, float]]:
    found: list[Any] = page.evaluate("() => window.seen")
    watts = [(int(text.removesuffix(" W")), at_ms / 1000) for at_ms, text in found if text.endswith(" W")]
    first = next((i for i, (shown, _) in enumerate(watts) if shown in (_FIRST_WATTS, _FIRST_WATTS + 1)), len(watts))
    return watts[first:]  # before that the page showed what was there already


def _delays(exporter: Exporter, shown: list[tuple[int, float]]) -> list[float]:
    """For each of `VALUES` scrapes the seconds until it, or a newer one, was on the screen.

    A socket sends the newest state three times a second at most, so now and then a value is overtaken by the next.
    """
    watts = [value for value, _ in shown]
    assert watts == sorted(set(watts)), "the page went back in time"
    wanted = [(value, at) for value, at in exporter.scrapes if value > watts[0]][:VALUES]
    return [shown[bisect_left(watts, value)][1] - at for value, at in wanted]
