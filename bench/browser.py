"""One viewer is a real Chromium on a homeowner's page."""

from __future__ import annotations

import shutil
import threading

from playwright.sync_api import sync_playwright

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
_WATCH = """
() => {
  window.seen = [];
  const figure = document.querySelector('[data-bind="power.home_watts"]');
  const note = () => window.seen.push([performance.timeOrigin + performance.now(), figure.textContent]);
  new MutationObserver(note).observe(figure, {characterData: true, childList: true, subtree: true});
}
"""


def program() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class PageViewer(threading.Thread):
    """Notes when which mark is in the page, until `stop` is set: `seen` holds (watts, seconds since the epoch)."""

    def __init__(self, url: str, home: str, session: str) -> None:
        super().__init__(name="page", daemon=True)
        self._url, self._home, self._session = url, home, session
        self.ready, self.end = threading.Event(), threading.Event()
        self.seen: list[tuple[int, float]] = []
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self._watch()
        except Exception as error:  # Playwright's own family and the system's: told in the report
            self.failure = error
        finally:
            self.ready.set()

    def _watch(self) -> None:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program(), args=_FLAGS)
            context = browser.new_context()
            context.add_cookies([{"name": "sessionid", "value": self._session, "url": self._url}])
            page = context.new_page()
            page.goto(f"{self._url}/homes/{self._home}/")
            page.wait_for_selector("[data-live]")
            page.evaluate(_WATCH)
            self.ready.set()
            self.end.wait()
            for at_ms, text in page.evaluate("() => window.seen"):
                if text.endswith(" W"):
                    self.seen.append((int(text.removesuffix(" W")), at_ms / 1000))
            browser.close()
