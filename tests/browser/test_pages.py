"""The pages as people meet them: reachable by everybody, without complaints of the browser, alive."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import DESKTOP, PASSWORD, PHONE, Enter

pytestmark = [pytest.mark.browser, pytest.mark.stack]

HOST, OPERATOR = "maya@example.com", "operator@example.com"
HOME_PAGES = {"home": "", "electricity": "electricity/", "internet": "internet/", "battery": "battery/"}
CONSOLE_PAGES = {
    "fleet": "/fleet/",
    "node": "/fleet/nodes/xfra-00001/",
    "letters": "/fleet/dead-letters/",
    "api": "/api/v1/docs/",
}
LOOKS = [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark")]


def scroll_through(page: Page) -> None:
    """Bring every chart into view and wait until each is drawn or says why not."""
    figures = page.locator("[data-chart]").all()
    if 0 < len(figures) <= 2:  # the console's tables have sixteen columns, which axe reads for minutes
        page.locator("[data-table] summary").first.click()
    for figure in figures:
        figure.scroll_into_view_if_needed()
        expect(figure.locator("svg.main-svg, .chart-empty:not(:text('scroll here'))").first).to_be_visible(
            timeout=20_000
        )


def violations(page: Page) -> list[str]:
    found: Any = Axe().run(page).response["violations"]
    return [f"{v['id']}: {v['help']} at {[n['target'] for n in v['nodes'][:3]]}" for v in found]


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=lambda v: v if isinstance(v, str) else str(v["width"]))
def test_homeowner_pages_are_accessible_and_clean(enter: Enter, viewport: dict[str, int], scheme: str) -> None:
    visit = enter(HOST, viewport=viewport, color_scheme=scheme)
    start = visit.page.url
    for name, path in HOME_PAGES.items():
        visit.page.goto(start + path)
        scroll_through(visit.page)
        assert violations(visit.page) == [], name
        wide = visit.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, f"{name} scrolls sideways"
    assert visit.complaints == []


@pytest.mark.parametrize(("viewport", "scheme"), LOOKS, ids=lambda v: v if isinstance(v, str) else str(v["width"]))
def test_console_pages_are_accessible_and_clean(enter: Enter, viewport: dict[str, int], scheme: str) -> None:
    visit = enter(OPERATOR, viewport=viewport, color_scheme=scheme)
    for name, path in CONSOLE_PAGES.items():
        visit.go(path)
        scroll_through(visit.page)
        assert violations(visit.page) == [], name
    assert visit.complaints == []


def test_sign_in_page_is_accessible(enter: Enter) -> None:
    visit = enter()
    visit.go("/accounts/login/")
    assert violations(visit.page) == []
    assert visit.complaints == []


def test_a_passkey_made_here_signs_in_here(enter: Enter) -> None:
    """The browser has a virtual authenticator, which answers as a phone does. WebAuthn wants a name, not a number."""
    visit = enter()
    visit.url = visit.url.replace("127.0.0.1", "localhost")
    page = visit.sign_in("host3@example.com").page  # who is asked for it from now on
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
               "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.click("a[title^='Your account']")
    page.click("a[href='/accounts/2fa/webauthn/add/']")
    page.fill("input[name=password]", PASSWORD)
    page.click("main button[type=submit]")
    page.fill("input[name=name]", "phone")
    page.check("input[name=passwordless]")
    page.click("#mfa_webauthn_add")
    page.wait_for_url(lambda url: "webauthn/add" not in url)
    page.click("[aria-label='Sign out']")
    visit.go("/accounts/login/")
    page.click("#passkey_login")
    page.wait_for_url(lambda url: "/homes/" in url)
    assert visit.complaints == []


def test_home_moves_without_reloading(enter: Enter) -> None:
    page = enter(HOST).page
    updated = page.locator("time[data-bind-at='heard_at']")
    first = updated.get_attribute("datetime")
    expect(updated).not_to_have_attribute("datetime", first or "", timeout=15_000)
    page.locator("[data-stream='node_watts'].on").wait_for(timeout=15_000)


def test_fleet_moves_and_is_worked_by_keyboard(enter: Enter) -> None:
    visit = enter(OPERATOR)
    page = visit.go("/fleet/")
    newest = page.locator("[data-totals] time")
    first = newest.get_attribute("datetime")
    expect(newest).not_to_have_attribute("datetime", first or "", timeout=15_000)
    page.keyboard.press("/")
    expect(page.locator("#q")).to_be_focused()
    page.locator("canvas.grid").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-summary]")).to_contain_text(re.compile(r"xfra-\d{5}: .* GPUs"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/fleet/nodes/xfra-\d{5}/"))
    assert visit.complaints == []


def test_node_page_tiles_move(enter: Enter) -> None:
    page = enter(OPERATOR).go("/fleet/nodes/xfra-00001/")
    assert page.locator(".tile").count() == 16
    heard = page.locator("time[data-bind-at='heard_at']")
    first = heard.get_attribute("datetime")
    expect(heard).not_to_have_attribute("datetime", first or "", timeout=15_000)


def test_home_is_useful_before_any_script_ran(enter: Enter) -> None:
    page = enter(HOST, java_script_enabled=False).page
    expect(page.locator("h1")).to_contain_text("node")
    expect(page.locator("[data-bind='power.home_watts']").first).to_have_text(re.compile(r"\d.* k?W"))
    expect(page.locator(".day-bars rect").first).to_be_attached()


def test_first_page_fits_the_budget(enter: Enter) -> None:
    """150 KB over the wire for a phone that has nothing cached; Plotly is not among it."""
    visit = enter(HOST, viewport=PHONE)
    start, sizes = visit.page.url, {}
    session = visit.page.context.new_cdp_session(visit.page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    names: dict[str, str] = {}
    session.on("Network.responseReceived", lambda e: names.__setitem__(e["requestId"], e["response"]["url"]))
    session.on("Network.loadingFinished", lambda e: sizes.__setitem__(e["requestId"], e["encodedDataLength"]))
    visit.page.goto(start)
    visit.page.wait_for_load_state("networkidle")
    total = sum(sizes.values())
    assert total <= 150_000, {names.get(k, k): v for k, v in sizes.items()}
    assert not any("plotly" in name for name in names.values())


def test_another_home_does_not_exist(enter: Enter, portal: Any) -> None:
    theirs = enter("host2@example.com").page.url
    mine = enter(HOST)
    answer = mine.page.goto(theirs)
    assert answer is not None
    assert answer.status == 404


def test_figures_read_alike_in_python_and_javascript(enter: Enter) -> None:
    """formats.py draws the page first and format.js keeps it current: they must never disagree."""
    from xfra_portal import formats

    values = [None, 0, 0.004, 0.05, 0.5, 0.945, 0.9995, 1, 1.49, 5, 59.4, 59.6, 99.95, 620, 999.4, 999.6, 2650, 12_149,
              3569, 3571, 84_599, 84_601, 99_950, 100_000, 912_400, 999_400, 1_250_000, 9.94e6, 9.96e6, 9.4e8, 9.996e8,
              1.25e9, 2.617e9, -0.4, -620, -2650]  # fmt: skip
    names = ["watts", "watt_hours", "bits_per_second", "ratio", "fine_ratio", "celsius", "amperes", "milliseconds",
             "decibels", "hours", "hertz", "gibibytes", "age"]  # fmt: skip
    page = enter(HOST).page
    script = page.evaluate("[...document.scripts].map((s) => s.src).find((s) => s.includes('/js/home'))")
    source = page.request.get(script).text()
    module = re.search(r'from\s*"\./(format[^"]*)"', source)
    assert module is not None
    told = page.evaluate(
        """async ([url, names, values]) => {
          const format = await import(url);
          return names.map((name) => values.map((value) => format[name](value)));
        }""",
        [script.rsplit("/", 1)[0] + "/" + module[1], names, values],
    )
    for name, answers in zip(names, told, strict=True):
        positive = name in ("age", "hours")
        for value, answer in zip(values, answers, strict=True):
            if value is not None and value < 0 and positive:
                continue
            assert answer == getattr(formats, name)(value), (name, value)
