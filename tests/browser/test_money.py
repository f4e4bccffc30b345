"""A host's way: see what the month costs, open a statement down to a quarter-hour, take the proof home and check it."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Enter
from tests.browser.test_pages import HOST, LOOKS, violations

pytestmark = [pytest.mark.browser, pytest.mark.stack]
NEW_HOST = "host4@example.com"


def open_statement(page: Page) -> None:
    page.get_by_role("link", name="Electricity", exact=True).first.click()
    page.get_by_role("link", name="Statements", exact=True).click()
    page.locator("table a").first.click()
    expect(page.locator("h1")).to_have_text(re.compile(r"\w+ \d{4}"))


def check(page: Page, name: str) -> None:
    assert violations(page) == [], name
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide, f"{name} scrolls sideways"


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=lambda v: str(v["width"]))
def test_from_the_month_to_a_quarter_hour_to_a_verified_bundle(
    enter: Enter, viewport: dict[str, int], tmp_path: Path
) -> None:
    visit = enter(HOST, viewport=viewport)
    page = visit.page
    expect(page.locator(".sums dt").first).to_have_text("You pay")
    open_statement(page)
    statement = page.url
    page.locator("table a[href*=lines]").first.click()
    expect(page.get_by_role("heading", name="The tariff's row")).to_be_visible()
    page.locator("table a[href*='day=']").first.click()
    page.wait_for_url(lambda url: "day=" in url)
    quarters = page.locator("#quarters tbody tr")
    assert quarters.count() in (92, 96, 100)
    assert page.locator("#quarters tbody tr.here").count() > 0
    page.goto(statement)
    with page.expect_download() as download:
        page.get_by_role("link", name="Proof bundle").click()
    bundle = tmp_path / "proof.zip"
    download.value.save_as(bundle)
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(tmp_path / "proof")
    verify = [sys.executable, "-I", "verify_statement.py"]
    said = subprocess.run(verify, cwd=tmp_path / "proof", capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stdout + said.stderr
    assert visit.complaints == []


@pytest.mark.parametrize("kind", ["PDF", "CSV", "Green Button"])
def test_each_file_comes_down(enter: Enter, kind: str) -> None:
    page = enter(HOST).page
    open_statement(page)
    with page.expect_download() as download:
        page.get_by_role("link", name=kind, exact=True).click()
    assert Path(download.value.path()).stat().st_size > 500


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=lambda v: v if isinstance(v, str) else str(v["width"]))
def test_money_pages_are_accessible_and_clean(enter: Enter, viewport: dict[str, int], scheme: str) -> None:
    visit = enter(HOST, viewport=viewport, color_scheme=scheme)
    page, home = visit.page, visit.page.url
    for path in ("electricity/month/", "statements/", "agreement/", "payouts/"):
        page.goto(home + path)
        check(page, path)
    page.goto(home)
    open_statement(page)
    page.locator("details summary").first.click()
    check(page, "statement")
    page.locator("table a[href*=lines]").first.click()
    page.locator("table a[href*='day=']").first.click()
    page.wait_for_url(lambda url: "day=" in url)  # an audit of a page that is being left finds no document
    check(page, "line")
    assert visit.complaints == []


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=lambda v: str(v["width"]))
def test_a_new_host_is_told_what_will_appear(enter: Enter, viewport: dict[str, int]) -> None:
    visit = enter(NEW_HOST, viewport=viewport)
    page, home = visit.page, visit.page.url
    for path, words in {
        "": "Your agreement has not begun",
        "electricity/": "Your first statement appears here",
        "statements/": "None yet.",
        "agreement/": "No agreement has been concluded",
        "payouts/": "None yet.",
    }.items():
        page.goto(home + path)
        expect(page.locator("main")).to_contain_text(words)
        check(page, path)
    assert visit.complaints == []


def test_a_viewer_meets_no_money(enter: Enter) -> None:
    visit = enter("guest@example.com")
    home = visit.page.url
    assert "$" not in visit.page.locator("main").inner_text()
    for path in ("statements/", "electricity/month/", "agreement/", "payouts/"):
        answer = visit.page.goto(home + path)
        assert answer is not None and answer.status == 404


def test_a_question_is_asked_without_a_script(enter: Enter) -> None:
    page = enter(HOST, java_script_enabled=False).page
    open_statement(page)
    page.fill("#id_text", "Is the second step right?")
    page.get_by_role("button", name="Ask the billing desk").click()
    expect(page.locator(".talk")).to_contain_text("Is the second step right?")
