"""Room is counted in characters: a narrow screen, zoom, large text and long sums are one question to every page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import DESKTOP, PHONE, Enter
from tests.browser.places import OF_BILLING, OF_GUESTS, OF_HOSTS, OF_OPERATORS, Place, addresses

pytestmark = [pytest.mark.browser, pytest.mark.stack]

SITUATIONS = {
    "200 % zoom on a desktop": ({"width": 720, "height": 450}, 100, False),
    "200 % text on a phone": (PHONE, 200, False),
    "320 px": ({"width": 320, "height": 568}, 100, False),
    "seven-digit sums and long names on a phone": (PHONE, 100, True),
    "seven-digit sums and long names on a desktop": (DESKTOP, 100, True),
}
SCRIPTS = "http://scripts.test"
FOLDER = Path(__file__).resolve().parents[2] / "xfra_portal/static/xfra_portal/js"
MOST_BYTES = 150_000
MOST_SHIFT = 0.01

LENGTHEN = """() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("script, style, template, noscript")) continue;
    node.nodeValue = node.nodeValue
      .replace(/([+−]?)\\$[\\d,]+(\\.\\d\\d)?/g, "$1$$1,234,567.89")
      .replace(/\\b(Maya|Jonah)\\b/g, "Wilhelmina-Bartholomea")
      .replace(/Simulated home \\d+/g, "The Featherstonehaugh-Cholmondeley family's house");
  }
}"""

COUNT_SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifted += one.value;
}).observe({ type: "layout-shift", buffered: true });
"""

STANDING_ALONE = "nav a, .chart-tools a, summary, button, .section-head > a, .crumb a, .files a, th a, .alone"
TOO_LOW = """(alone) => [...document.querySelectorAll(alone)]
  .map((element) => [element.textContent.trim(), element.getBoundingClientRect()])
  .filter(([, box]) => box.height && (box.height < 43.5 || box.width < 43.5))
  .map(([text, box]) => [text, box.width, box.height])"""

# Whatever reaches beyond the page's edge, unless it is kept in a box that can be scrolled or is there for ears alone.
OUTSIDE = """() => {
  const page = document.scrollingElement, found = [];
  if (page.scrollWidth > page.clientWidth) found.push(`${page.scrollWidth} of ${page.clientWidth}`);
  const inBox = (element) => {
    for (let box = element; box && box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box);
      if (/auto|scroll/.test(style.overflowX) && box !== element) return true;
      if (style.clipPath !== "none") return true;
      if (box.matches(".skip, .visually-hidden, #js-plotly-tester, .plot-container")) return true;
    }
    return false;
  };
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height || !element.checkVisibility({ visibilityProperty: true })) continue;
    if ((box.right > page.clientWidth + 1 || box.left < -1) && !inBox(element)) {
      found.push(`${element.tagName}.${element.getAttribute("class")}: ${box.left | 0} to ${box.right | 0}`);
    }
  }
  return found.slice(0, 6);
}"""


def outside(page: Page, situation: str) -> list[str]:
    """What does not fit in that situation, with the page as it was before restored."""
    viewport, text_percent, has_long_words = SITUATIONS[situation]
    page.set_viewport_size(viewport)
    page.evaluate(f"document.documentElement.style.fontSize = '{text_percent}%'")
    if has_long_words:
        page.evaluate(LENGTHEN)
    page.wait_for_timeout(120)
    found: list[str] = page.evaluate(OUTSIDE)
    page.evaluate("document.documentElement.style.fontSize = ''")
    return found


@pytest.mark.parametrize("places", [OF_GUESTS, OF_HOSTS, OF_OPERATORS, OF_BILLING], ids=lambda places: places.who)
def test_nothing_overflows(enter: Enter, places: Place) -> None:
    visit = enter(places.email)
    too_wide = {}
    for address in addresses(visit, places):
        visit.page.goto(address)
        for situation in SITUATIONS:
            if found := outside(visit.page, situation):
                too_wide[address.removeprefix(visit.url), situation] = found
    assert too_wide == {}


@pytest.mark.parametrize("places", [OF_GUESTS, OF_HOSTS], ids=lambda places: places.who)
@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_page_shifts_once_it_is_there(enter: Enter, places: Place, viewport: dict[str, int]) -> None:
    visit = enter(places.email, viewport=viewport)
    visit.page.add_init_script(COUNT_SHIFTS)
    shifts = {}
    for address in addresses(visit, places):
        visit.page.goto(address)
        for figure in visit.page.locator("[data-chart]").all():
            figure.scroll_into_view_if_needed()
        visit.page.wait_for_timeout(800)
        shifts[address.removeprefix(visit.url)] = visit.page.evaluate("window.shifted")
    assert {path: shift for path, shift in shifts.items() if shift > MOST_SHIFT} == {}


def test_first_views_fit_the_budget(enter: Enter) -> None:
    """Over the wire for a phone that has nothing cached; pages that draw a chart at once are not among them yet."""
    visit = enter(OF_HOSTS.email, viewport=PHONE)
    session = visit.page.context.new_cdp_session(visit.page)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    received: list[float] = []
    session.on("Network.loadingFinished", lambda event: received.append(event["encodedDataLength"]))
    sizes = {}
    for address in addresses(visit, OF_HOSTS):
        if re.search("/(internet|battery)/", address):
            continue
        received.clear()
        visit.page.goto(address)
        visit.page.wait_for_load_state("networkidle")
        sizes[address.removeprefix(visit.url)] = sum(received)
    assert {path: size for path, size in sizes.items() if size > MOST_BYTES} == {}


@pytest.mark.parametrize("places", [OF_GUESTS, OF_HOSTS], ids=lambda places: places.who)
def test_every_page_is_accessible_in_each_situation(enter: Enter, places: Place) -> None:
    """Large text is what other tests do not audit; what they do, they audit in both themes."""
    visit = enter(places.email, viewport=PHONE)
    for address in addresses(visit, places):
        visit.page.goto(address)
        visit.page.evaluate("document.documentElement.style.fontSize = '200%'")
        found: Any = Axe().run(visit.page).response["violations"]
        assert [(v["id"], v["nodes"][0]["target"]) for v in found] == [], address


TELLS_APART = """(selectors) => selectors.map((selector) => {
  const element = document.querySelector(selector);
  if (!element) return null;
  const style = getComputedStyle(element);
  return element instanceof SVGElement ? style.fill : style.backgroundColor;
})"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_forced_colours_keep_meanings(enter: Enter, scheme: str) -> None:
    """A key has the colour of what it is the key to, two keys have two; where one is, is marked without a shadow."""
    visit = enter(OF_HOSTS.email, viewport=PHONE, color_scheme=scheme, forced_colors="active")
    page = visit.page
    node_key, node_bar, home_key, home_bar, ground = page.evaluate(
        TELLS_APART, [".key-node", "rect.bar-node", ".key-home", "rect.bar-home", "body"]
    )
    assert node_key == node_bar and home_key == home_bar
    assert len({node_key, home_key, ground}) == 3
    marked = page.evaluate("""() => [...document.querySelectorAll(".places a")]
      .map((link) => [link.getAttribute("aria-current"), getComputedStyle(link).borderBottomWidth])""")
    assert {width for current, width in marked if current} == {"3px"}
    assert all(width == "0px" for current, width in marked if not current)


def test_targets_are_a_thumb_high(enter: Enter) -> None:
    """Links that stand for themselves, buttons and fields; a link in a sentence is as high as its sentence."""
    visit = enter(OF_HOSTS.email, viewport=PHONE)
    low = {}
    for address in addresses(visit, OF_HOSTS):
        visit.page.goto(address)
        if found := visit.page.evaluate(TOO_LOW, STANDING_ALONE):
            low[address.removeprefix(visit.url)] = found
    assert low == {}


@pytest.mark.parametrize(
    ("unit", "low", "high", "texts"),
    [
        ("watts", 0, 11_900, ["0 kW", "5 kW", "10 kW", "15 kW"]),
        ("watts", -2_400, 2_400, ["−4 kW", "−2 kW", "0 kW", "2 kW", "4 kW"]),
        ("watts", 0, 640, ["0 W", "200 W", "400 W", "600 W", "800 W"]),
        ("milliseconds", 0, 0.031, ["0 ms", "10 ms", "20 ms", "30 ms", "40 ms"]),
        ("bits_per_second", 0, 9.1e8, ["0 Mb/s", "250 Mb/s", "500 Mb/s", "750 Mb/s", "1,000 Mb/s"]),
        ("ratio", 0.2, 1.0, ["0 %", "25 %", "50 %", "75 %", "100 %"]),
        ("celsius", 18, 31.2, ["0 °C", "10 °C", "20 °C", "30 °C", "40 °C"]),
    ],
)
def test_an_axis_has_one_unit_with_a_space_before_it(
    blank: Page, unit: str, low: float, high: float, texts: list[str]
) -> None:
    assert blank.evaluate(f"axes.valueAxis('{unit}', {low}, {high}, true).texts") == texts


@pytest.mark.parametrize(
    ("start", "end", "most", "texts"),
    [
        ("2026-11-29 11:50:00", "2026-11-30 11:50:00", 4, ["12 pm", "6 pm", "30 Nov", "6 am"]),
        ("2026-11-30 11:36:00", "2026-11-30 11:51:00", 4, ["11:40 am", "11:45 am", "11:50 am"]),
        ("2026-11-01 00:00:00", "2026-11-30 12:00:00", 5, ["5 Nov", "12 Nov", "19 Nov", "26 Nov"]),
    ],
)
def test_times_on_an_axis_are_read_as_in_a_sentence(
    blank: Page, start: str, end: str, most: int, texts: list[str]
) -> None:
    assert blank.evaluate(f"axes.timeAxis('{start}', '{end}', {most}).texts") == texts


@pytest.mark.parametrize(("watts", "pace"), [(189, 0), (1_500, 1), (-2_500, 2), (9_700, 3)])
def test_the_picture_of_the_power_is_wider_and_faster_for_more(blank: Page, watts: float, pace: int) -> None:
    assert blank.evaluate(f"flow.paceOf({watts})") == pace


@pytest.fixture
def blank(browser: Browser) -> Iterator[Page]:
    """A page with nothing but the scripts under test."""
    page = browser.new_page()
    page.route(f"{SCRIPTS}/**", _script)
    page.goto(f"{SCRIPTS}/")
    page.evaluate(f"""async () => {{
      for (const name of ["axes", "flow"]) window[name] = await import(`{SCRIPTS}/${{name}}.js`);
    }}""")
    yield page
    page.close()


def _script(route: Route) -> None:
    name = route.request.url.removeprefix(f"{SCRIPTS}/")
    if name:
        route.fulfill(body=(FOLDER / name).read_text(encoding="utf-8"), content_type="text/javascript")
    else:
        route.fulfill(body="<!doctype html>", content_type="text/html")


def test_dots_move_only_while_somebody_sees_them(enter: Enter) -> None:
    """And by `transform` alone, which costs the page nothing: no style is worked out anew for them."""
    page = enter(OF_HOSTS.email, viewport=PHONE).page
    flow = page.locator("[data-flow]")
    expect(flow).to_have_class(re.compile(r"\bmoves\b"))
    expect(page.locator(".dots.node.on i").first).to_be_attached(timeout=15_000)
    properties = page.evaluate("""() => document.getAnimations()
      .flatMap((one) => one.effect.getKeyframes().flatMap((frame) => Object.keys(frame)))
      .filter((name) => !/^(offset|computedOffset|easing|composite)$/.test(name))""")
    assert set(properties) == {"transform"}
    page.mouse.wheel(0, 5_000)
    expect(flow).not_to_have_class(re.compile(r"\bmoves\b"))
    page.evaluate("scrollTo(0, 0)")
    expect(flow).to_have_class(re.compile(r"\bmoves\b"))
    page.clock.install()
    page.reload()
    expect(flow).to_have_class(re.compile(r"\bmoves\b"))
    page.clock.fast_forward(121_000)
    expect(flow).not_to_have_class(re.compile(r"\bmoves\b"))
    page.keyboard.press("Tab")
    expect(flow).to_have_class(re.compile(r"\bmoves\b"))
