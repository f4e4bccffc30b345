"""A body that cannot be stored, from the stream to an operator's decision, in a real browser."""

from __future__ import annotations

import pytest
import redis
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from telemetry.stream import DEAD_BYTES, DEAD_LETTERS, Keys
from tests.browser.conftest import PHONE, Enter
from tests.stack import Stack, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.stack]

PAGE = "/fleet/dead-letters/"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_operator_retries_and_discards(portal: Stack, enter: Enter, scheme: str) -> None:
    with redis.Redis.from_url(portal.env["REDIS_URL"]) as client:
        client.delete(DEAD_LETTERS, DEAD_BYTES)
        poison = b"not a batch"
        client.incrby(Keys(0).held, len(poison))
        client.xadd(Keys(0).stream, {"b": poison})
        wait_for(lambda: client.xlen(DEAD_LETTERS) == 1, 30, "the worker to give it up")

        visit = enter("operator@example.com", viewport=PHONE, color_scheme=scheme)
        page = visit.go("/fleet/")
        page.locator(".portal-alarms summary").click()
        page.get_by_role("link", name="1 body could not be stored").click()
        expect(page.locator("[data-letter]")).to_have_count(1)
        expect(page.locator(".reason")).to_contain_text("wrong magic")
        (first,) = client.xrange(DEAD_LETTERS)
        page.get_by_role("button", name="Retry all").click()
        expect(page.get_by_role("status").filter(has_text="1 letter put back")).to_be_visible()
        wait_for(lambda: [entry for entry in client.xrange(DEAD_LETTERS) if entry != first], 30, "it to come back")

        page.goto(visit.url + PAGE)
        page.locator("[data-letter] summary").click()
        assert Axe().run(page).response["violations"] == []
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, "the page scrolls sideways"
        page.get_by_label("Why discard", exact=False).last.fill("a test")
        page.get_by_role("button", name="Discard for good").click()
        expect(page.get_by_text("Nothing here.")).to_be_visible()
        assert client.xlen(DEAD_LETTERS) == 0
        assert visit.complaints == []
