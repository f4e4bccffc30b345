"""The clerk's path on a real stack with a real worker: from a tariff document to money on its way to the host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PHONE, Enter, Visit
from tests.stack import Stack, StackFactory

pytestmark = [pytest.mark.browser, pytest.mark.stack]

ROOT = Path(__file__).resolve().parents[2]
HOME = "Simulated home 4"
"""The one that the demo leaves without an agreement."""
TOLD = 60_000
"""Milliseconds for a worker to get to it, on a busy machine."""


@pytest.fixture(scope="module")
def portal(stack: StackFactory) -> Iterator[Stack]:
    """One of its own: the clerk changes what other pages' tests count on."""
    made = stack(homes=4, days=3, fresh=True)
    yield made
    made.stop()


def _last_month() -> date:
    return (datetime.now(UTC).date().replace(day=1) - timedelta(days=1)).replace(day=1)


def _check(page: Page) -> None:
    violations = Axe().run(page).response["violations"]
    assert violations == [], [(found["id"], [node["html"] for node in found["nodes"]]) for found in violations]
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    assert not wide, f"{page.url} scrolls sideways"


def _said(page: Page, words: str) -> None:
    expect(page.locator(".said").filter(has_text=words)).to_be_visible(timeout=TOLD)


def _to_home(visit: Visit) -> Page:
    page = visit.go("/billing/homes/")
    page.get_by_role("link", name=HOME, exact=True).click()
    page.wait_for_url(lambda url: not url.endswith("/homes/"))
    return page


def _publish_tariff(visit: Visit) -> None:
    page = visit.go("/billing/tariffs/")
    _check(page)
    page.get_by_label("URDB JSON file").set_input_files(ROOT / "billing/seed/tariffs/nevada-power-rs.json")
    page.get_by_label("Name", exact=False).first.fill("The clerk's own line")
    page.get_by_label("In force from").fill("2020-01-01")
    page.get_by_role("button", name="Import as a draft").click()
    _said(page, "is a draft")
    _check(page)
    page.get_by_role("button", name="Publish").click()
    _said(page, "is published from 2020-01-01, and frozen")


def _agree(visit: Visit, start: date) -> None:
    page = _to_home(visit)
    page.get_by_role("combobox", name="Tariff").select_option(label="Nevada Power Co: The clerk's own line")
    page.get_by_label("First day").fill(start.isoformat())
    page.get_by_role("button", name="Assign").click()
    _said(page, f"{HOME} is billed by Nevada Power Co: The clerk's own line")
    page.get_by_role("link", name="Conclude one").click()
    page.get_by_label("First day").fill(start.isoformat())
    page.get_by_label("Internet, a month").fill("70")
    page.get_by_label("Due, days after issue").fill("14")
    page.get_by_label("How the host pays").fill("By bank transfer.")
    page.get_by_label("Why this version").fill("the host moved in")
    page.get_by_role("button", name="Read it as the host will").click()
    expect(page.get_by_text("We pay you what the node added to the electricity bill")).to_be_visible()
    _check(page)
    page.get_by_role("button", name="Conclude").click()
    _said(page, "Version 1 of the agreement")


def _close(visit: Visit, month: date) -> Page:
    """Rated by the worker, looked at line by line, approved and issued; the statement's page."""
    page = visit.go(f"/billing/months/{month:%Y-%m}/")
    page.get_by_role("button", name="Try again what is held").click()
    _said(page, "is being closed: 1 home to rate")
    expect(page.get_by_role("button", name="Approve all 1")).to_be_visible(timeout=TOLD)
    _check(page)
    page.get_by_role("link", name=re.compile("preview")).click()
    expect(page.get_by_text("the host sees nothing of it")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Energy")).first.click()
    expect(page.get_by_text("Segments, before rounding")).to_be_visible()
    page.locator("tbody a[href^='?day=']").first.click()
    expect(page.get_by_role("region", name=re.compile("^Quarter-hours"))).to_be_visible()
    _check(page)
    page.get_by_role("link", name="preview").click()
    page.get_by_role("button", name="Approve this statement").click()
    _said(page, "1 statement of")
    page.get_by_role("button", name="Issue 1 approved").click()
    _said(page, "is being issued")
    expect(page.get_by_text("Every statement of this month is issued.")).to_be_visible(timeout=TOLD)
    page.locator("tr").filter(has_text=HOME).get_by_role("link").last.click()
    expect(page.get_by_role("heading", name=re.compile(r"^Statement \d+$"))).to_be_visible()
    return page


def _utility_file(portal: Stack, month: date) -> bytes:
    """One day as the utility counted it: a little less than the panel did."""
    query = """SELECT r.wh, extract(epoch FROM ("on"::timestamp AT TIME ZONE h.timezone))::bigint
        FROM billing_reading r JOIN homes_home h ON h.id = r.home_id
        WHERE h.name = %s AND r.channel = 'site_import' AND r.source = 'panel' AND "on" = %s ORDER BY version DESC"""
    with psycopg.connect(portal.env["DATABASE_OWNER_URL"]) as connection:
        found = connection.execute(query, [HOME, month + timedelta(days=9)]).fetchone()
    assert found is not None
    rows = ["start,end,usage (Wh)"]
    for quarter, wh in enumerate(found[0]):
        begin = datetime.fromtimestamp(found[1] + 900 * quarter, UTC)
        rows.append(f"{begin.isoformat()},{(begin + timedelta(minutes=15)).isoformat()},{wh * 993 // 1000}")
    return "\n".join(rows).encode()


def _correct(visit: Visit, portal: Stack, month: date, statement: str) -> None:
    page = _to_home(visit)
    page.get_by_text("Import the utility's file").click()
    page.get_by_label("The utility's file").set_input_files(
        {"name": "utility.csv", "mimeType": "text/csv", "buffer": _utility_file(portal, month)}
    )
    page.get_by_role("button", name="Import", exact=True).click()
    _said(page, "utility.csv: 1 day, 1 new version of readings")
    _check(page)
    page.goto(statement)
    expect(page.get_by_text("known differently since this was issued")).to_be_visible()
    page.get_by_label("Why").fill("the utility's own count of one day")
    page.get_by_role("button", name="Draft a correction").click()
    _said(page, "is drafted")
    expect(page.get_by_role("heading", name="Was, now, why")).to_be_visible()
    _check(page)
    page.get_by_role("button", name="Issue this correction").click()
    _said(page, "the host is told")
    _check(page)


def _pay(visit: Visit) -> None:
    """The simulated provider may time out, refuse or return; whatever it does, the page ends with its word."""
    page = visit.go("/billing/payouts/")
    _check(page)
    page.get_by_role("button", name=re.compile(r"^Create \d+ payout")).click()
    _said(page, "created")
    row = page.get_by_role("region", name="All payouts, table").locator("tr").filter(has_text=HOME)
    for _ in range(10):
        send = page.get_by_role("button", name="Send, and ask about those sent")
        if send.count() == 0 or re.search("Paid|Failed|Returned", row.inner_text()):
            break
        send.click()
        _said(page, "A worker sends and asks")
        page.wait_for_timeout(2_000)
        page.goto(f"{visit.url}/billing/payouts/")
    expect(row).to_have_text(re.compile("Paid|Failed|Returned"))


def test_a_clerk_from_tariff_to_payout(portal: Stack, enter: Enter) -> None:
    visit, month = enter("billing@example.com", viewport=DESKTOP), _last_month()
    assert visit.page.url.endswith("/billing/"), "a clerk begins at the desk"
    _check(visit.page)
    _publish_tariff(visit)
    _agree(visit, month)
    statement = _close(visit, month).url
    _correct(visit, portal, month, statement)
    _pay(visit)
    page = visit.go("/billing/log/")
    for words in ("is published", "is in force", "approved", "being issued", "corrects statement", "created"):
        expect(page.get_by_role("cell").filter(has_text=words).first).to_be_visible()
    assert visit.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_every_page_is_accessible(enter: Enter, viewport: dict[str, int], scheme: str) -> None:
    visit = enter("billing@example.com", viewport=viewport, color_scheme=scheme)
    months = f"months/{_last_month():%Y-%m}/"
    pages = ("", months, f"{months}?stage=held", "statements/1/", "statements/1/lines/1/", "exceptions/", "homes/")
    for place in (*pages, "payouts/", "bills/", "tariffs/", "tariffs/1/", "questions/", "log/"):
        _check(visit.go(f"/billing/{place}"))
    _check(_to_home(visit))
    assert visit.complaints == []
