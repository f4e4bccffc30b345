"""Usage: the current version of each day, the utility before the panel, in the home's own quarter-hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np
import pytest

from billing.intervals.days import quarter_count
from billing.intervals.quality import Quality
from billing.models import Channel, Reading, Source
from billing.readings import usage_of_many
from homes.access import acting_as_system
from homes.models import Home
from tests.cast import Cast, needs_database

pytestmark = needs_database
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)


def put(
    home: Home, on: date, wh: int, letter: str = "m", source: Source = Source.PANEL, channel: Channel = Channel.NODE
) -> Reading:
    """A day of the same number in each quarter-hour, as the next version."""
    size = quarter_count(home.timezone, on)
    before = Reading.objects.filter(home=home, on=on, channel=channel, source=source).count()
    return Reading.objects.create(
        home=home, channel=channel, source=source, on=on, version=before + 1, wh=[wh] * size, qualities=letter * size
    )


@pytest.fixture(autouse=True)
def _as_system(db: None) -> Iterator[None]:
    with acting_as_system():
        yield


def test_a_month_with_the_autumn_night(cast: Cast) -> None:
    home = cast.other_home  # New York: 1 November has 100 quarter-hours
    for day in (1, 2, 30):
        put(home, date(2026, 11, day), day)
    (found,) = usage_of_many([home], NOVEMBER, DECEMBER)
    assert found.interval_count == 30 * 96 + 4
    assert found.wh[Channel.NODE].tolist() == [1] * 100 + [2] * 96 + [0] * 27 * 96 + [30] * 96
    assert found.count(Channel.NODE, Quality.MISSING) == 27 * 96
    assert found.count(Channel.SOLAR, Quality.MISSING) == found.interval_count
    assert not found.is_complete(Channel.NODE)


def test_the_newest_version_counts_and_is_named(cast: Cast) -> None:
    put(cast.home, NOVEMBER, 5)
    put(cast.home, NOVEMBER, 7)
    (found,) = usage_of_many([cast.home], NOVEMBER, date(2026, 11, 2))
    assert set(found.wh[Channel.NODE].tolist()) == {7}
    assert [(used.on, used.version) for used in found.versions] == [(NOVEMBER, 2)]
    assert found.is_complete(Channel.NODE)


def test_the_utility_before_the_panel_wherever_it_knows(cast: Cast) -> None:
    put(cast.home, NOVEMBER, 5, channel=Channel.SITE_IMPORT)
    wh, letters = np.full(96, 9), "m" * 40 + "-" * 56
    Reading.objects.create(
        home=cast.home,
        channel=Channel.SITE_IMPORT,
        source=Source.UTILITY,
        on=NOVEMBER,
        version=1,
        wh=wh.tolist(),
        qualities=letters,
    )
    (found,) = usage_of_many([cast.home], NOVEMBER, date(2026, 11, 2))
    assert found.wh[Channel.SITE_IMPORT].tolist() == [9] * 40 + [5] * 56
    (panel,) = usage_of_many([cast.home], NOVEMBER, date(2026, 11, 2), sources=[Source.PANEL])
    assert set(panel.wh[Channel.SITE_IMPORT].tolist()) == {5}


def test_homes_come_in_the_order_asked_for_each_in_its_own_zone(cast: Cast) -> None:
    put(cast.home, NOVEMBER, 1)
    put(cast.other_home, NOVEMBER, 2)
    found = usage_of_many([cast.other_home, cast.home], NOVEMBER, date(2026, 11, 2))
    assert [usage.home_id for usage in found] == [cast.other_home.pk, cast.home.pk]
    assert [int(usage.wh[Channel.NODE].sum()) for usage in found] == [200, 96]
