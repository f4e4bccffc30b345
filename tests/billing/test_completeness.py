"""How complete a month is; many days written at once; whether meters agree; evidence that comes back as it went."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np
import pytest

from billing import bulk_readings, completeness
from billing.bulk_readings import DayOfWh
from billing.completeness import Counts
from billing.intervals import evidence
from billing.intervals.apportion import apportion
from billing.intervals.balance import balance
from billing.intervals.days import day_edges, quarter_count
from billing.intervals.edges import Edges
from billing.models import Channel, Reading, Source
from billing.readings import usage_of_many
from homes.access import acting_as_system
from tests.cast import Cast, needs_database

START, END = date(2026, 11, 1), date(2026, 12, 1)


@pytest.fixture
def _system(db: None) -> Iterator[None]:
    with acting_as_system():
        yield


@needs_database
@pytest.mark.usefixtures("_system")
def test_a_month_by_day_and_in_all(cast: Cast) -> None:
    home = cast.other_home
    rows = {date(2026, 11, 1): "m" * 90 + "e" * 10, date(2026, 11, 2): "a" * 40 + "r" * 40 + "q" * 16}
    for on, letters in rows.items():
        wh = [1] * len(letters)
        Reading.objects.create(
            home=home, channel=Channel.NODE, source=Source.PANEL, on=on, version=1, wh=wh, qualities=letters
        )
    (usage,) = usage_of_many([home], START, END)
    days = completeness.by_day(usage)
    assert [day.counts for day in days[:3]] == [Counts(100, 90, 10, 0), Counts(96, 80, 0, 16), Counts(96, 0, 0, 0)]
    assert [day.counts.missing for day in days[:3]] == [0, 0, 96] and len(days) == 30
    assert days[0].counts.is_complete and not days[1].counts.is_complete
    total = completeness.by_month([home, cast.home], START, END)
    assert total == {(home.pk, Channel.NODE): Counts(2_884, 170, 10, 16)}


@needs_database
@pytest.mark.usefixtures("_system")
def test_many_days_at_once_are_the_readings_that_they_say(cast: Cast) -> None:
    homes = [cast.home, cast.other_home]
    numbers = np.random.default_rng(3)
    wanted = {
        (home.pk, START + timedelta(days=n)): numbers.integers(
            0, 4_000, quarter_count(home.timezone, START + timedelta(days=n))
        )
        for home in homes
        for n in range(30)
    }
    rows = (DayOfWh(home_id, "node", "panel", on, wh) for (home_id, on), wh in wanted.items())
    assert bulk_readings.write_days(rows) == 60
    for usage in usage_of_many(homes, START, END):
        mine = [wh for (home_id, _), wh in wanted.items() if home_id == usage.home_id]
        assert usage.wh[Channel.NODE].tolist() == np.concatenate(mine).tolist()
        assert usage.is_complete(Channel.NODE)


@needs_database
@pytest.mark.usefixtures("_system")
def test_many_days_at_once_are_refused_like_one(cast: Cast) -> None:
    with pytest.raises(Exception, match="reading_has_numbers"):
        bulk_readings.write_days([DayOfWh(cast.home.pk, "node", "panel", START, np.full(96, -1))])


def test_meters_that_agree_leave_nothing_over() -> None:
    panel = {
        "site_import": np.array([3_000, 0]),
        "site_export": np.array([0, 500]),
        "node": np.array([2_000, 2_000]),
        "solar": np.array([0, 4_000]),
        "battery_in": np.array([100, 900]),
        "battery_out": np.array([0, 0]),
    }
    found = balance(panel)
    assert found.home.tolist() == [900, 600] and found.residual.tolist() == [0, 0]
    with_file = balance(panel, utility_net=np.array([3_030, -500]), home=np.array([890, 600]))
    assert (with_file.losses.tolist(), with_file.residual.tolist()) == ([10, 0], [30, 0])


def test_evidence_comes_back_as_it_went_and_the_same_is_the_same() -> None:
    at = day_edges("America/Los_Angeles", START)
    seconds = np.arange(int(at[0]), int(at[-1]) - 7_200, 300) * 1000
    edges = Edges.of_samples(at, seconds, 1e11 + np.arange(len(seconds)) * 1_234.567)
    body = evidence.pack({"node": edges, "solar": Edges.of_samples(at, seconds[:0], np.zeros(0))})
    found = evidence.unpack(body)
    assert set(found) == {"node"}
    assert (found["node"].before_ms == edges.before_ms)[~np.isnan(edges.before_joules)].all()
    np.testing.assert_array_equal(found["node"].before_joules, edges.before_joules)
    assert evidence.pack(found) == body == evidence.pack(evidence.joined(found, found))
    for broken in (b"", b"XRE1", body[:-1], b"XRE2" + body[4:]):
        with pytest.raises(ValueError, match="not evidence"):
            evidence.unpack(broken)


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (37_500, [1] * 24, [1_563] * 12 + [1_562] * 12),
        (10, [1, 1, 1], [4, 3, 3]),
        (7, [0, 0], [4, 3]),
        (0, [3, 1], [0, 0]),
        (5, [0, 9], [0, 5]),
    ],
)
def test_parts_of_a_total(total: int, weights: list[int], parts: list[int]) -> None:
    assert apportion(total, weights) == parts
