"""The pages as people meet them: reachable by everybody, without complaints of the browser, alive."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.conftest import DESKTOP, PASSWORD, PHONE, Enter
from tests.portal.cases import CASES_BY_FACTS, NOW, home
from xfra_portal.homeowner.cases import cases_of

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
        expect(figure.locator("svg.main-svg, .chart-empty:not([data-drawing])").first).to_be_visible(timeout=20_000)


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
    page.locator("path[data-stream='node_watts'].on").wait_for(timeout=15_000)


def test_a_chart_in_view_goes_on_and_says_until_when_it_is(enter: Enter) -> None:
    page = enter(HOST).page
    page.clock.install()
    page.goto(page.url + "battery/?range=15m")
    scroll_through(page)
    until = page.locator("[data-until]").first
    expect(until).to_have_text(re.compile(r"^, to \d+:\d\d [ap]m$"))
    page.locator("[data-chart]").first.scroll_into_view_if_needed()
    with page.expect_response(re.compile("battery/history")):
        page.clock.fast_forward(61_000 + 15_000)


def test_home_s_sentences_stay_true(enter: Enter) -> None:
    """Each is the one of its choices that the latest message makes true; without news none stands as if it were new."""
    page = enter(HOST).page
    edits: dict[str, Any] = {}

    def edited(message: str | bytes) -> str:
        told = json.loads(message)
        for path, value in edits.items():
            *way, last = path.split(".")
            place = told
            for key in way:
                place = place[key]
            place[last] = value
        return json.dumps(told)

    def pass_on(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(edited(message)))

    def reading(value: float, seconds_old: float = 0) -> dict[str, Any]:
        return {"value": value, "at": (datetime.now(UTC) - timedelta(seconds=seconds_old)).isoformat()}

    page.route_web_socket(re.compile("/ws/homes/"), pass_on)
    page.clock.install()
    page.reload()
    sentences = {name: page.locator(f"[data-told={name}]").first for name in ("leak", "cabinet", "battery", "internet")}
    expect(sentences["leak"]).to_have_text("No leak")
    edits.update({
        "safety.coolant_leak": reading(1), "safety.enclosure_open": None, "power.grid_up": reading(0),
        "power.battery_watts": reading(-2000), "internet.home.up": reading(1, 120),
    })  # fmt: skip
    expect(sentences["leak"]).to_have_text("The leak sensor is wet: on the operator's list", timeout=15_000)
    expect(sentences["cabinet"]).to_have_text("not known whether the cabinet is closed")
    expect(sentences["battery"]).to_have_text("carrying your home")
    expect(sentences["internet"]).to_have_text("Unknown")
    edits["power.grid_up"] = reading(1)
    expect(sentences["battery"]).to_have_text("giving power", timeout=15_000)
    page.route(page.url, lambda route: route.abort())
    with page.expect_event("requestfailed", timeout=15_000):  # it asks again in 20 s, and is not silent till then
        edits["power.grid_up"] = reading(0)
    edits.update({"node.as_of": reading(0, 120)["at"], "heard_at": reading(0, 120)["at"]})
    story = page.locator("[data-retold=story] h1")
    expect(story).to_contain_text("This page has heard nothing new since", timeout=15_000)
    page.unroute(page.url)
    page.clock.fast_forward(61_000)
    expect(story).to_contain_text("node", timeout=15_000)


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


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_what_needs_somebody_is_on_the_first_screen(enter: Enter, viewport: dict[str, int]) -> None:
    page = enter(OPERATOR, viewport=viewport).go("/fleet/")
    needs, filters = (page.locator(part).bounding_box() for part in ("[data-needs]", ".filters"))
    assert needs and filters and needs["y"] < viewport["height"]
    assert (needs["y"] < filters["y"]) == (viewport == PHONE), "beside the grid where there is room"


def test_node_page_tiles_move(enter: Enter) -> None:
    page = enter(OPERATOR).go("/fleet/nodes/xfra-00001/")
    assert page.locator(".tile").count() == 16
    heard = page.locator("time[data-bind-at='heard_at']")
    first = heard.get_attribute("datetime")
    expect(heard).not_to_have_attribute("datetime", first or "", timeout=15_000)


def test_many_lines_of_a_chart_are_told_apart(enter: Enter) -> None:
    """By the names that the page gives their subjects: in the key, in the table and in the file."""
    page = enter(OPERATOR).go("/fleet/nodes/xfra-00001/")
    source = page.locator("[data-metrics=power_watts]").first.get_attribute("data-src")
    page.route(page.url, lambda route: route.fulfill(response=(answer := route.fetch()), body=labelled(answer.text())))
    found = page.request.get(f"{page.url.split('/fleet')[0]}{source}?kind=gpu&metrics=power_watts&start=-60s").json()
    names = {series["subject"]: f"Place {i}" for i, series in enumerate(found["series"])}

    def labelled(text: str) -> str:
        told = escape(json.dumps(names))
        return re.sub(r'(data-metrics="power_watts") data-labels="[^"]*"', rf'\1 data-labels="{told}"', text)

    page.reload()
    figure = page.locator("[data-metrics=power_watts]").first
    figure.scroll_into_view_if_needed()
    expect(figure.locator(".chart-key li")).to_have_text(list(names.values()), timeout=20_000)
    figure.locator("[data-table] summary").click()
    expect(figure.locator("thead th")).to_have_text([re.compile("Time"), *names.values()])
    with page.expect_download() as download:
        figure.locator("[data-csv]").click()
    (heading, *rows) = download.value.path().read_text().splitlines()
    assert "power_watts.Place 15.average" in heading and "GPU-" not in heading
    assert rows


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


def module(page: Page, name: str) -> str:
    """Where the page has its own module of this name from, which carries a hash."""
    script: str = page.evaluate("[...document.scripts].map((s) => s.src).find((s) => s.includes('/js/home'))")
    found = re.search(rf'from\s*"\./({name}[^"]*)"', page.request.get(script).text())
    assert found is not None
    return script.rsplit("/", 1)[0] + "/" + found[1]


def test_cases_are_decided_alike_in_python_and_javascript(enter: Enter) -> None:
    """cases.py chooses the first sentences and cases.js the ones after."""
    page = enter(HOST).page
    homes = [home(**facts) for facts, _ in CASES_BY_FACTS]
    told = page.evaluate(
        """async ([url, homes, now]) => {
          const { casesOf } = await import(url);
          Date.now = () => now;
          return homes.map(casesOf);
        }""",
        [module(page, "cases"), homes, NOW.timestamp() * 1000],
    )
    assert told == [cases_of(one, NOW) for one in homes]


def test_figures_read_alike_in_python_and_javascript(enter: Enter) -> None:
    """formats.py draws the page first and format.js keeps it current: they must never disagree."""
    from xfra_portal import formats

    values = [None, 0, 0.004, 0.05, 0.5, 0.945, 0.9995, 1, 1.49, 5, 59.4, 59.6, 99.95, 620, 999.4, 999.6, 2650, 12_149,
              3569, 3571, 84_599, 84_601, 99_950, 100_000, 912_400, 999_400, 1_250_000, 9.94e6, 9.96e6, 9.4e8, 9.996e8,
              1.25e9, 2.617e9, -0.4, -620, -2650]  # fmt: skip
    names = ["watts", "watt_hours", "bits_per_second", "ratio", "fine_ratio", "celsius", "amperes", "milliseconds",
             "decibels", "loudness", "hours", "hertz", "gibibytes", "age"]  # fmt: skip
    page = enter(HOST).page
    told = page.evaluate(
        """async ([url, names, values]) => {
          const format = await import(url);
          return names.map((name) => values.map((value) => format[name](value)));
        }""",
        [module(page, "format"), names, values],
    )
    for name, answers in zip(names, told, strict=True):
        positive = name in ("age", "hours")
        for value, answer in zip(values, answers, strict=True):
            if value is not None and value < 0 and positive:
                continue
            assert answer == getattr(formats, name)(value), (name, value)
