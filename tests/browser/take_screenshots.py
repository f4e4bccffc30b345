"""Pictures for the README, from a running demo.

python -m tests.browser.take_screenshots http://127.0.0.1:8000 docs/screenshots
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.conftest import DESKTOP, PASSWORD, PHONE
from tests.chromium import FLAGS

PAGES = {
    "home": ("maya@example.com", ""),
    "electricity": ("maya@example.com", "electricity/?range=7d"),
    "month": ("maya@example.com", "electricity/month/"),
    "battery": ("maya@example.com", "battery/?range=7d"),
    "fleet": ("operator@example.com", "/fleet/"),
    "node": ("operator@example.com", "/fleet/nodes/xfra-00007/"),
    "billing": ("billing@example.com", "/billing/"),
}
LOOKS = {"phone": (PHONE, "light"), "desktop": (DESKTOP, "dark")}


def main(url: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for look, (viewport, scheme) in LOOKS.items():
            for name, (email, path) in PAGES.items():
                context = browser.new_context(viewport=viewport, color_scheme=scheme)  # type: ignore[arg-type]
                page = context.new_page()
                page.goto(f"{url}/accounts/login/")
                page.fill("#id_login", email)
                page.fill("#id_password", PASSWORD)
                page.click("form .button[type=submit]")
                page.wait_for_url(lambda found: "/login" not in found)
                page.goto(url + path if path.startswith("/") else page.url + path)
                for figure in page.locator("[data-chart]").all():
                    figure.scroll_into_view_if_needed()
                    page.wait_for_timeout(700)
                page.evaluate("scrollTo(0, 0)")
                page.wait_for_timeout(2500)
                page.screenshot(path=folder / f"{name}-{look}.png")
                context.close()


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), Path(sys.argv[2]))
