"""The console's scripts alone, with a server that does what the test says: it falls silent, or the path to it dies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

pytestmark = pytest.mark.browser

ROOT, URL = Path(__file__).resolve().parents[2], "http://portal.test"
APPS = {"telemetry": ROOT / "telemetry/static", "xfra_portal": ROOT / "xfra_portal/static"}
COLUMNS = ["node", "hostname", "state", "cause", "heard_at", "gpus_seen", "gpus_expected", "utilization_ratio",
           "node_watts", "spare_watts", "hottest_celsius", "coolant_leak", "enclosure_open"]  # fmt: skip


class Server:
    """Answers with `text` at every path but static files', empty for not at all, and keeps every socket."""

    def __init__(self, page: Page) -> None:
        self.page, self.text, self.sockets, self.asked = page, "", list[WebSocketRoute](), 0
        page.route(f"{URL}/**", self._answer)
        page.route_web_socket("ws://portal.test/**", lambda socket: self.sockets.append(socket))
        page.clock.install()

    def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(URL).split("?")[0]
        if path.startswith("/static/"):
            file = APPS[path.split("/")[2]] / path.removeprefix("/static/")
            route.fulfill(body=file.read_text(encoding="utf-8"), content_type="text/javascript")
        elif self.text:
            self.asked += 1
            route.fulfill(body=self.text, content_type="text/html")
        else:
            route.abort()

    def say(self, message: Any) -> None:
        self.sockets[-1].send(json.dumps(message))

    def wait(self, seconds: float) -> None:
        """As long as that passes for the page, with time for what it starts to be done."""
        for _ in range(int(seconds)):
            self.page.clock.run_for(1000)
        self.page.evaluate("() => new Promise((done) => queueMicrotask(done))")


@pytest.fixture
def server(browser: Browser) -> Iterator[Server]:
    context = browser.new_context()
    complaints: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield Server(page)
    context.close()
    assert complaints == []


def cell(node: int, state: str = "working", **change: Any) -> dict[str, Any]:
    watts = None if state == "unknown" else 1000.0
    known = {"node": node, "hostname": f"xfra-{node:05d}", "state": state, "cause": "", "gpus_seen": 16}
    return {**dict.fromkeys(COLUMNS), **known, "gpus_expected": 16, "node_watts": watts, **change}


def fleet(cells: list[dict[str, Any]], state: str = "", left_out: list[int] | None = None) -> str:
    rows = [[one[name] for name in COLUMNS] for one in cells]
    held = {"columns": COLUMNS, "groups": {"group-0": rows}, "left_out": left_out or [], "state": state}
    return f"""<!doctype html><script src="/static/telemetry/js/grid_room.js"></script>
      <div data-fleet="/ws/fleet/"><dl data-totals>
      <dd data-total="nodes"></dd><dd data-total="watts"></dd><time data-age datetime></time>
      <div data-state="working"><dd data-total="working"></dd></div>
      <div data-state="down"><dd data-total="down"></dd></div>
      </dl><div data-grids><node-grid data-total="{len(cells)}" data-count="{len(cells)}">
        <canvas tabindex="0" data-grid="group-0"></canvas></node-grid></div>
      <script type="application/json" id="cells">{json.dumps(held)}</script><p data-summary></p>
      <div data-needs>{len(cells)} nodes</div><table class="fleet-table"><tbody></tbody></table></div>
      <div data-connection hidden></div><script type="module" src="/static/telemetry/js/fleet.js"></script>"""


def total(page: Page, name: str) -> Any:
    return page.locator(f"[data-total={name}]")


def test_a_path_that_dies_in_silence_is_left(server: Server) -> None:
    page, server.text = server.page, fleet([cell(1)])
    page.goto(f"{URL}/fleet/")
    server.say({"type": "fleet", "cells": [cell(1, node_watts=2000.0)]})
    expect(total(page, "watts")).to_have_text("2.0 kW")
    for _ in range(3):
        server.wait(20)
        expect(page.locator("[data-connection]")).to_contain_text("The console has heard nothing since")
        server.say({"type": "still_here"})
        page.wait_for_timeout(50)
        expect(page.locator("[data-connection]")).to_be_hidden()
    assert len(server.sockets) == 1
    server.wait(28)
    assert len(server.sockets) == 2
    expect(page.locator("[data-connection]")).to_contain_text("Trying again…")
    server.say({"type": "still_here"})
    expect(page.locator("[data-connection]")).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_timeout(100)
    assert len(server.sockets) == 3


def home(as_of: str) -> str:
    def reading(value: float) -> dict[str, Any]:
        return {"value": value, "at": as_of}

    power = {name: reading(1500.0) for name in ("site_watts", "home_watts", "node_watts", "battery_watts", "grid_up")}
    node = {"state": "working", "cause": "", "since": as_of, "as_of": as_of}
    state = {"heard_at": as_of, "node": node, "power": power, "safety": {}, "internet": {"home": {}}, "battery": {}}
    return f"""<!doctype html>
      <div data-live="/ws/homes/1/" data-zone="America/Phoenix" data-snapshot='{json.dumps(state)}'>
      <section data-retold="story" data-state="working"><h1>Your node is working.</h1></section>
      <template data-out-of-touch><h1>Nothing new since <span data-since></span>.</h1></template>
      <svg data-flow><path data-stream="site_watts"></path></svg></div>
      <div data-connection hidden></div><script type="module" src="/static/xfra_portal/js/home.js"></script>"""


def test_a_home_that_is_cut_off_says_so_and_stops_moving(server: Server) -> None:
    """At ten seconds nothing moves and it says so, at 25 the story is of then; offline at once; a word heals it."""
    page = server.page
    now = page.evaluate("new Date().toISOString()")
    server.text = home(now)
    page.goto(f"{URL}/homes/1/")
    flow, stream, words = page.locator("[data-flow]"), page.locator("[data-stream]"), page.locator("[data-connection]")
    expect(stream).to_have_class(re.compile(r"\bon\b"))
    server.wait(8)
    expect(words).to_be_hidden()
    server.wait(3)
    expect(flow).to_have_class(re.compile("stale"))
    expect(stream).not_to_have_class(re.compile(r"\bon\b"))
    expect(words).to_contain_text("No word for 1")
    expect(page.locator("h1")).to_have_text("Your node is working.")
    server.wait(15)
    expect(words).to_contain_text("No word for 2")
    expect(page.locator("h1")).to_contain_text("Nothing new since")
    server.text = home(page.evaluate("new Date().toISOString()")).replace("is working", "works again")
    server.say(state_of(server.text))
    expect(page.locator("h1")).to_have_text("Your node works again.")
    expect(stream).to_have_class(re.compile(r"\bon\b"))
    page.context.set_offline(True)
    expect(words).to_contain_text("You are offline.")
    expect(stream).not_to_have_class(re.compile(r"\bon\b"))


def state_of(text: str) -> Any:
    (found,) = re.findall("data-snapshot='([^']*)'", text)
    return json.loads(found)


def test_what_the_portal_has_not_told_of_for_a_minute_is_not_known(server: Server) -> None:
    page, server.text = server.page, fleet([cell(1), cell(2)])
    page.goto(f"{URL}/fleet/")
    server.say({"type": "fleet", "cells": [cell(1), cell(2)]})
    expect(total(page, "working")).to_have_text("2")
    server.text = ""
    server.wait(50)
    server.say({"type": "fleet", "cells": [cell(1)]})
    page.wait_for_timeout(50)
    server.wait(15)
    expect(total(page, "working")).to_have_text("1")
    server.wait(60)
    expect(total(page, "working")).to_have_text("0")
    expect(total(page, "watts")).to_have_text("unknown")
    server.text = fleet([cell(1), cell(2)])
    server.wait(21)
    expect(total(page, "working")).to_have_text("2")


def test_a_node_that_is_new_or_comes_into_the_filter_appears(server: Server) -> None:
    page, server.text = server.page, fleet([], state="down", left_out=[9])
    page.goto(f"{URL}/fleet/?state=down")
    server.say({"type": "fleet", "cells": [cell(1), cell(2), cell(9, "down")]})
    server.wait(3)
    assert server.asked == 1, "none of them belongs here"
    server.text = fleet([cell(2, "down")], state="down", left_out=[9])
    server.say({"type": "fleet", "cells": [cell(2, "down")]})
    page.wait_for_timeout(50)
    server.wait(3)
    expect(total(page, "down")).to_have_text("1")
    expect(page.locator("[data-needs]")).to_have_text("1 nodes")
    page.locator("canvas").focus()
    expect(page.locator("[data-summary]")).to_contain_text("xfra-00002: down")
    server.text = fleet([cell(1, "down"), cell(2, "down")], state="down", left_out=[9])
    server.say({"type": "fleet", "cells": [cell(1, "down")]})
    page.wait_for_timeout(50)
    server.wait(3)
    expect(total(page, "down")).to_have_text("2")
    expect(page.locator("canvas")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("[data-summary]")).to_contain_text("xfra-00001: down")


def node(heard_at: str, why: str) -> str:
    return f"""<!doctype html><div data-node="/ws/nodes/1/"><div data-why>{why}</div>
      <dl class="strip"><dd><time data-age datetime="{heard_at}" data-bind-at="heard_at"></time></dd></dl>
      <div data-tiles><ol class="tiles"><li data-slot="0"><dd data-value="power_watts" data-format="watts"></dd></li>
      </ol></div></div>
      <div data-connection hidden></div><script type="module" src="/static/telemetry/js/node.js"></script>"""


def told(values: dict[str, float], gpu: dict[str, float], heard_at: str) -> dict[str, Any]:
    def read(found: dict[str, float]) -> dict[str, Any]:
        return {name: {"value": value, "at": heard_at} for name, value in found.items()}

    state = {"state": "working", "cause": "", "since": None, "as_of": heard_at}
    gpus = [{"slot": 0, "uuid": "GPU-0", "values": read({"power_watts": 500.0, **gpu})}]
    return {"type": "node", "heard_at": heard_at, "state": state, "values": read(values), "gpus": gpus}


ALARMS: list[tuple[dict[str, float], dict[str, float]]] = [
    ({"coolant_leak": 1.0}, {}),
    ({"enclosure_open": 1.0}, {}),
    ({}, {"ecc_double_bit_volatile": 1.0}),
    ({}, {"row_remap_failed": 1.0}),
]


@pytest.mark.parametrize(("values", "gpu"), ALARMS)
def test_an_open_node_page_hears_of_danger(server: Server, values: dict[str, float], gpu: dict[str, float]) -> None:
    page, now = server.page, "2026-07-01T21:00:00.000Z"
    server.text = node(now, "Working normally.")
    page.goto(f"{URL}/fleet/nodes/x/")
    server.say(told({}, {}, now))
    expect(page.locator("[data-value]")).to_have_text("500 W")
    server.text = node(now, "Danger.")
    server.say(told(values, gpu, now))
    page.wait_for_timeout(50)
    server.wait(2)
    expect(page.locator("[data-why]")).to_have_text("Danger.")


def test_a_silent_nodes_page_grows_old(server: Server) -> None:
    page, long_ago = server.page, "2020-01-01T00:00:00.000Z"
    server.text = node(long_ago, "Nothing heard for 1 min.")
    page.goto(f"{URL}/fleet/nodes/x/")
    expect(page.locator("time")).to_have_attribute("datetime", long_ago)
    for minutes in (2, 3):
        server.text = node(long_ago, f"Nothing heard for {minutes} min.")
        server.wait(60)
        expect(page.locator("[data-why]")).to_have_text(f"Nothing heard for {minutes} min.")


def test_sums_are_of_what_is_known(server: Server) -> None:
    """As telemetry/views/fleet.py sums."""
    page, server.text = server.page, fleet([cell(1, "unknown")])
    page.goto(f"{URL}/fleet/")
    server.say({"type": "still_here"})
    server.say({"type": "fleet", "cells": [cell(1, "unknown")]})
    expect(total(page, "watts")).to_have_text("unknown")
