"""How long each read of each page takes: `python -m bench.read_times ROUNDS PORT` beside a portal with bench.read_data.

Each read is timed as the function that the page calls, on behalf of whoever looks, and as the whole page or answer
over HTTP. Every round looks at another node, so that nothing is measured that was asked for just before. Prints a
JSON list of {"page", "read", "function": seconds or [], "http": seconds or []}.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xfra_portal.settings")
os.environ["XFRA_ACCESS"] = "system"
django.setup()

from django.utils import timezone  # noqa: E402

from bench.viewers import session_of  # noqa: E402
from homes.access import acting_as  # noqa: E402
from homes.calendar import midnight, month_start  # noqa: E402
from homes.models import Membership, Node, OperatorRole, User  # noqa: E402
from telemetry import latest, live, reads, roster, states  # noqa: E402
from telemetry.catalogue import COLUMNS, Kind  # noqa: E402
from telemetry.views.node import LANES  # noqa: E402
from telemetry.views.node import RANGES as NODE_RANGES  # noqa: E402
from xfra_portal.api.homes import PowerHistory  # noqa: E402
from xfra_portal.homeowner import figures, lately, outages  # noqa: E402
from xfra_portal.homeowner.views import RANGES as HOME_RANGES  # noqa: E402

OPERATORS: Final = 8
"""So many take turns, because one person may make only so many requests a minute."""

_KINDS: Final = {"node": Kind.NODE, "gpu": Kind.GPU}
_AGGREGATES: Final = (
    "function=sum&by=utility",
    "kind=gpu&metric=temperature_celsius&function=quantile&quantile=0.99&by=state",
    "kind=gpu&metric=power_watts&function=top",
    "function=sum&by=site_group&start=-24h&step=3600",
    "kind=gpu&metric=power_watts&function=avg&start=-24h&step=3600",
    "function=sum&start=-30d&step=86400",
)
_HOME_CHARTS: Final[dict[str, tuple[str, list[Sequence[str]]]]] = {
    "Electricity": ("power", [PowerHistory.default]),
    "Internet": (
        "internet",
        [
            ("internet_home_latency_seconds", "internet_home_loaded_latency_seconds"),
            ("internet_home_download_bits_per_second", "internet_home_upload_bits_per_second"),
        ],
    ),
    "Battery": ("battery", [("battery_charge_ratio",), ("battery_power_watts",)]),
}


@dataclass(frozen=True)
class Look:
    """Somebody looks at a node now."""

    node: Node
    person: User
    session: str
    now: datetime


@dataclass
class Read:
    """One read of a page; either way of it may be missing."""

    page: str
    read: str
    call: Callable[[Look], Any] | None = None
    path: Callable[[Look], str] | None = None
    function: list[float] = field(default_factory=list)
    http: list[float] = field(default_factory=list)


def _history(kind: Kind, names: tuple[str, ...], seconds: int) -> Callable[[Look], Any]:
    return lambda at: reads.history(at.node.pk, kind, names, at.now - timedelta(seconds=seconds), at.now)


def _latest(at: Look) -> Any:
    return live.home_payload(at.node, reads.latest([at.node.pk])[at.node.pk])


def _began(at: Look) -> datetime:
    return midnight(at.node.home.zone, month_start(at.node.home.zone, at.now))


def of_homeowners() -> Iterator[Read]:
    def page(name: str) -> Callable[[Look], str]:
        return lambda at: f"/homes/{at.node.home_id}/{name}"

    def api(name: str) -> Callable[[Look], str]:
        return lambda at: f"/api/v1/homes/{at.node.home_id}{name}"

    yield Read("Home", "page", path=page(""))
    yield Read("Home", "usual draw of a week, before it is remembered", lambda at: reads.usual_home_watts(at.node.pk))
    yield Read("Home", "latest values", _latest, api(""))
    yield Read("Home", "energy of the month", lambda at: figures.month_energy(at.node, at.node.home, at.now))
    yield Read("Home", "what happened lately", lambda at: lately.lately(at.node, at.node.home, at.now))
    yield Read(
        "Home",
        "uptime of the month",
        lambda at: outages.shares(at.node, "internet_home_up", _began(at), at.now),
    )
    yield Read(
        "Home",
        "API: energy of 30 days",
        lambda at: reads.energy(at.node.pk, at.now - timedelta(days=30), at.now),
        api("/energy?start=-30d"),
    )
    yield Read(
        "Home",
        "API: states",
        lambda at: reads.state_spans(at.node.pk, at.now - timedelta(days=7), at.now),
        api("/states"),
    )
    for name in ("battery", "internet", "node"):
        yield Read("Home", f"API: {name} now", path=api(f"/{name}"))
    yield Read("Internet", "page", path=page("internet/"))
    yield Read(
        "Internet",
        "outages of the month",
        lambda at: outages.kept(at.node, "internet_home_up", _began(at), at.now, None),
    )
    yield Read("Battery", "page", path=page("battery/"))
    yield Read(
        "Battery",
        "grid outages of 35 days",
        lambda at: outages.kept(at.node, "grid_up", at.now - timedelta(days=35), at.now, None),
    )
    yield Read("Electricity", "page", path=page("electricity/"))
    for name, (part, charts) in _HOME_CHARTS.items():
        for metrics in charts:
            for key, (_, seconds) in HOME_RANGES.items():
                yield Read(
                    name,
                    f"{', '.join(metrics)}, {key}",
                    _history(Kind.NODE, tuple(metrics), seconds),
                    api(f"/{part}/history?metrics={','.join(metrics)}&start=-{seconds}s"),
                )


def of_operators(node_ids: list[int]) -> Iterator[Read]:
    yield Read("Fleet", "page", path=lambda at: "/fleet/")
    yield Read("Fleet", "every node with its home and line", lambda at: roster.read(at.person))
    yield Read("Fleet", "glances of every node", lambda at: reads.glances(node_ids, at.now))
    yield Read("Fleet", "API: fleet", path=lambda at: "/api/v1/fleet")
    yield Read("Fleet", "live.publish's payload", _fleet_payload)
    yield Read("Fleet", "API: nodes, a page", path=lambda at: "/api/v1/nodes?page_size=200")
    for query in _AGGREGATES:
        yield Read("Fleet", f"API: aggregate {query}", path=partial(_aggregate, query))
    yield Read("Node", "page", path=lambda at: f"/fleet/nodes/{at.node.hostname}/")
    yield Read("Node", "latest values", lambda at: reads.latest([at.node.pk]), lambda at: f"/api/v1/nodes/{at.node.pk}")
    yield Read(
        "Node",
        "states",
        lambda at: reads.state_spans(at.node.pk, at.now - timedelta(days=7), at.now),
        lambda at: f"/api/v1/nodes/{at.node.pk}/states",
    )
    yield Read("Node", "API: inventory", path=lambda at: f"/api/v1/nodes/{at.node.pk}/inventory")
    lanes = [(kind, metrics) for _, kind, metrics, *_ in LANES] + [("gpu", "temperature_celsius")]
    for kind, metrics in lanes:
        for key, (_, seconds) in NODE_RANGES.items():
            yield Read(
                "Node",
                f"{kind} {metrics.replace(',', ', ')}, {key}",
                _history(_KINDS[kind], tuple(metrics.split(",")), seconds),
                _telemetry(kind, metrics, seconds),
            )


def _aggregate(query: str, at: Look) -> str:
    return f"/api/v1/fleet/aggregate?{query}"


def _telemetry(kind: str, metrics: str, seconds: int) -> Callable[[Look], str]:
    return lambda at: f"/api/v1/nodes/{at.node.pk}/telemetry?kind={kind}&metrics={metrics}&start=-{seconds}s"


def _fleet_payload(at: Look) -> Any:
    return live.fleet_payload(list(Node.objects.visible_to(at.person)))


def scrape(node_ids: list[int]) -> None:
    """Latest values are moved to now, as if every node had just been scraped."""
    now_ms = int(time.time() * 1000)
    for kind in Kind:
        table = latest.read_columns(kind, node_ids, COLUMNS[kind])
        if len(table):
            table.at_ms[table.at_ms != 0] += now_ms - int(table.at_ms.max())
            latest.store(kind, table)
    states.judge(node_ids)


class Clock:
    def __init__(self, port: int) -> None:
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def time(self, read: Read, at: Look, counts: bool) -> None:
        """Both ways of a read, once."""
        if read.call is not None:
            with acting_as(at.person.pk):
                began = time.perf_counter()
                read.call(at)
                seconds = time.perf_counter() - began
            if counts:
                read.function.append(seconds)
        if read.path is not None:
            seconds = self._ask(read.path(at), at.session)
            if counts:
                read.http.append(seconds)

    def _ask(self, path: str, session: str) -> float:
        began = time.perf_counter()
        self._line.request("GET", path, headers={"Cookie": f"sessionid={session}"})
        answer = self._line.getresponse()
        body = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{path} answered {answer.status}: {body[:300].decode(errors='replace')}")
        return seconds


def _person(email: str, name: str) -> User:
    """Known already where the data set was kept."""
    return User.objects.filter(email=email).first() or User.objects.create_user(email, name=name)


def _operators() -> list[tuple[User, str]]:
    found = []
    for i in range(OPERATORS):
        user = _person(f"operator-{i}@bench.example", f"Operator {i}")
        OperatorRole.objects.get_or_create(user=user, defaults={"role": OperatorRole.Role.OPERATOR})
        found.append((user, session_of(user)))
    return found


@cache
def _owner_of(node: Node) -> tuple[User, str]:
    user = _person(f"owner-{node.pk}@bench.example", f"Owner {node.pk}")
    Membership.objects.get_or_create(home=node.home, user=user, defaults={"role": Membership.Role.OWNER})
    return user, session_of(user)


def main() -> None:
    rounds, clock = int(sys.argv[1]), Clock(int(sys.argv[2]))
    nodes = list(Node.objects.select_related("home").order_by("hostname"))
    node_ids, operators = [node.pk for node in nodes], _operators()
    owners_reads, operators_reads = list(of_homeowners()), list(of_operators(node_ids))
    for i in range(rounds + 1):  # the first is to warm up
        scrape(node_ids)
        node = nodes[i * len(nodes) // (rounds + 1)]
        for reads_of, (person, session) in (
            (owners_reads, _owner_of(node)),
            (operators_reads, operators[i % OPERATORS]),
        ):
            for read in reads_of:
                clock.time(read, Look(node, person, session, timezone.now()), counts=i > 0)
    fields = ("page", "read", "function", "http")
    found = [{name: getattr(read, name) for name in fields} for read in (*owners_reads, *operators_reads)]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
