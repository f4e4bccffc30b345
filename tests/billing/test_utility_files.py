"""A utility's file: split, joined, doubted, told twice; and then the readings of a home."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from billing import completeness, recording, utility_files
from billing.greenbutton.export import Export, Meter, render
from billing.greenbutton.filed import BadFile
from billing.greenbutton.vocabulary import Flow
from billing.intervals.checks import Problem
from billing.intervals.days import day_bounds
from billing.intervals.filed import Interval, file_days
from billing.intervals.quality import Quality
from billing.models import Channel, Quarantine, RawMessage, Reading, Source
from billing.readings import usage_of_many
from homes.access import acting_as_system
from tests.billing.metering import versions
from tests.cast import Cast, needs_database

ON, ZONE = date(2026, 6, 10), "America/Phoenix"
BEGIN, END = day_bounds(ZONE, ON)
NOW = END + 86_400
M, E, Q = Quality.MEASURED, Quality.ESTIMATED, Quality.QUARANTINED


def interval(slot: float, wh: object, quality: Quality = M, seconds: int = 900) -> Interval:
    return BEGIN + int(slot * 900), seconds, Decimal(str(wh)), quality


@dataclass(frozen=True)
class Case:
    """Intervals of a file, and what is read in the first quarter-hours."""

    name: str
    intervals: list[Interval]
    wh: list[int]
    qualities: str
    problems: list[Problem] = field(default_factory=list)
    now: int = NOW


CASES = [
    Case("quarter-hours", [interval(0, 250), interval(1, 0)], [250, 0], "mm"),
    Case("what the file does not speak of", [interval(0, 5), interval(2, 7)], [5, 0, 7], "m-m"),
    Case("the same twice", [interval(0, 5), interval(0, 5)], [0], "q", [Problem.OVERLAP]),
    Case("estimated by the utility", [interval(0, 5, E)], [5], "e"),
    Case("parts of a watt-hour come later", [interval(0, "0.6"), interval(1, "0.6")], [0, 1], "mm"),
    Case(
        "five minutes three times",
        [interval(0, 10, M, 300), interval(1 / 3, 20, M, 300), interval(2 / 3, 5, E, 300)],
        [35],
        "e",
    ),
    Case("five minutes twice", [interval(0, 10, M, 300), interval(1 / 3, 20, M, 300), interval(1, 3)], [0, 3], "-m"),
    Case("an hour takes the panel's shape and stays its sum", [interval(0, 101, M, 3600)], [10, 20, 30, 41], "eeee"),
    Case("half an hour", [interval(0, 30, M, 1800)], [10, 20], "ee"),
    Case("off the grid", [(BEGIN + 450, 900, Decimal(5), M)], [0, 0], "qq", [Problem.OFF_GRID]),
    Case("a length of its own", [interval(0, 5, M, 777)], [0], "q", [Problem.OFF_GRID]),
    Case(
        "told twice and differently", [interval(0, 5), interval(0, 6), interval(1, 7)], [0, 7], "qm", [Problem.OVERLAP]
    ),
    Case("an hour over a quarter", [interval(0, 5), interval(0, 44, M, 3600)], [0] * 4, "qqqq", [Problem.OVERLAP]),
    Case("below zero", [interval(0, -5)], [0], "q", [Problem.NEGATIVE]),
    Case("questionable by its own word", [interval(0, 5, Q)], [0], "q", [Problem.DOUBTED]),
    Case("more than the service carries", [interval(0, 12_001)], [0], "q", [Problem.TOO_LARGE]),
    Case("not yet", [interval(0, 5), interval(1, 6)], [5, 0], "m-", [Problem.FUTURE], BEGIN + 1_000),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cases_whose_answer_is_known(case: Case) -> None:
    weights = {BEGIN + n * 900: 10 * (n + 1) for n in range(4)}
    found = file_days(ZONE, case.intervals, 12_000, case.now, weights.__getitem__)[ON]
    assert found.wh[: len(case.wh)].tolist() == case.wh
    assert found.qualities[: len(case.qualities)] == case.qualities
    assert [question.problem for question in found.questions] == case.problems


@given(
    values=st.lists(st.decimals(0, 3000, places=3), min_size=1, max_size=200),
    order=st.randoms(use_true_random=False),
)
def test_the_days_add_up_to_the_file_in_whatever_order_it_is(values: list[Decimal], order: Any) -> None:
    intervals = [interval(n, value) for n, value in enumerate(values)]
    days = file_days(ZONE, intervals, 12_000, NOW + 10**6, lambda _: 1)
    assert sum(int(day.wh.sum()) for day in days.values()) == int(sum(values))
    shuffled = list(intervals)
    order.shuffle(shuffled)
    again = file_days(ZONE, shuffled, 12_000, NOW + 10**6, lambda _: 1)
    assert {on: (day.wh.tolist(), day.qualities) for on, day in again.items()} == {
        on: (day.wh.tolist(), day.qualities) for on, day in days.items()
    }


# Into the database


@pytest.fixture
def _system(db: None) -> Iterator[None]:
    with acting_as_system():
        yield


def file_of(wh: list[int], letters: str = "") -> bytes:
    """Our own export of one day, as a utility's."""
    quality = np.frombuffer((letters or "m" * 96).encode(), np.uint8)
    meters = [
        Meter("Service", "in", Flow.DELIVERED, np.array(wh), quality),
        Meter("Service", "out", Flow.RECEIVED, np.zeros(96, np.int64), quality),
    ]
    made = datetime.fromtimestamp(NOW, UTC)
    return render(Export("h", "t", ZONE, ON, date(2026, 6, 11), made, meters))


def put_panel(cast: Cast, wh: int) -> None:
    Reading.objects.create(
        home=cast.home,
        channel=Channel.SITE_IMPORT,
        source=Source.PANEL,
        on=ON,
        version=1,
        wh=[wh] * 96,
        qualities="m" * 96,
    )


@pytest.mark.usefixtures("_system")
@needs_database
class TestImport:
    """Of whole files, into a home's readings."""

    def test_our_export_comes_back_and_the_same_file_changes_nothing(self, cast: Cast) -> None:
        body = file_of(list(range(96)))
        first = utility_files.import_file(cast.home, body, "june.xml")
        assert (first.is_new, first.days, first.versions, first.questions) == (True, 1, 2, 0)
        again = utility_files.import_file(cast.home, body, "june (1).xml")
        assert (again.is_new, again.versions, again.message) == (False, 0, first.message)
        (reading,) = versions(cast.home, Channel.SITE_IMPORT, ON, Source.UTILITY)
        assert (reading.wh, reading.message) == (list(range(96)), first.message)
        assert RawMessage.objects.count() == 1

    def test_the_utility_wins_and_the_panel_stays_as_the_check(self, cast: Cast) -> None:
        put_panel(cast, 500)
        utility_files.import_file(cast.home, file_of([510] * 96))
        period = _June()
        (usage,) = usage_of_many([cast.home], period.start, period.end)
        assert set(usage.wh[Channel.SITE_IMPORT].tolist()) == {510}
        found = completeness.balance_of(cast.home, period)
        assert set(found.residual.tolist()) == {10} and set(found.home.tolist()) == {500}

    def test_a_later_file_makes_a_version_and_estimates_nothing_away(self, cast: Cast) -> None:
        utility_files.import_file(cast.home, file_of([5] * 96))
        utility_files.import_file(cast.home, file_of([7] * 96, "m" * 48 + "e" * 48))
        first, second = versions(cast.home, Channel.SITE_IMPORT, ON, Source.UTILITY)
        assert second.wh == [7] * 48 + [5] * 48 and second.qualities == "m" * 96
        assert first.wh == [5] * 96

    def test_a_doubtful_value_waits_and_the_answer_outlives_the_next_import(self, cast: Cast) -> None:
        wh = [100] * 96
        wh[3] = 20_000
        assert utility_files.import_file(cast.home, file_of(wh)).questions == 1
        question = Quarantine.objects.get()
        recording.accept(question, cast.people["billing"], "the service was upgraded")
        assert utility_files.import_file(cast.home, file_of(wh)).questions == 0
        reading = versions(cast.home, Channel.SITE_IMPORT, ON, Source.UTILITY)[-1]
        assert (reading.wh[3], reading.qualities[3], reading.version) == (20_000, "a", 2)

    def test_what_belongs_to_no_quarter_hour_can_only_be_discarded(self, cast: Cast) -> None:
        utility_files.import_file(cast.home, b"start,end,kwh\n2026-06-10 00:07,2026-06-10 00:22,1\n")
        question = Quarantine.objects.get()
        with pytest.raises(recording.NotAnswerable, match="values cannot be told"):
            recording.accept(question, cast.people["billing"], "why not")
        recording.discard(question, cast.people["billing"], "the export was wrong")
        question.refresh_from_db()
        assert question.state == Quarantine.State.DISCARDED

    @pytest.mark.parametrize(
        ("on", "count"), [(date(2026, 4, 5), 98), (date(2026, 10, 4), 94), (date(2026, 6, 10), 96)]
    )
    def test_a_clock_that_changes_by_half_an_hour(self, cast: Cast, on: date, count: int) -> None:
        cast.home.timezone = "Australia/Lord_Howe"
        cast.home.save(update_fields=["timezone"])
        begin = day_bounds(cast.home.timezone, on)[0]
        starts = (datetime.fromtimestamp(begin + n * 900, UTC) for n in range(count))
        body = "Start (UTC),kWh\n" + "".join(f"{at:%Y-%m-%d %H:%M},0.25\n" for at in starts)
        utility_files.import_file(cast.home, body.encode(), now=datetime(2027, 1, 1, tzinfo=UTC))
        (reading,) = versions(cast.home, Channel.SITE_IMPORT, on, Source.UTILITY)
        assert (reading.wh, reading.qualities) == ([250] * count, "m" * count)
        (usage,) = usage_of_many([cast.home], on, on + timedelta(days=1), [Channel.SITE_IMPORT])
        assert usage.wh_of(Channel.SITE_IMPORT).tolist() == [250] * count

    def test_a_fault_of_the_whole_file_is_one_refusal(self, cast: Cast) -> None:
        """Watt-hours taken for kWh in every line: nobody answers a question for each."""
        rows = "".join(
            f"2026-06-10 {n // 4:02}:{n % 4 * 15:02},250\n2026-06-11 {n // 4:02}:{n % 4 * 15:02},250\n"
            for n in range(96)
        )
        with pytest.raises(BadFile, match="192 of its intervals are more than the service can carry; check the unit"):
            utility_files.import_file(cast.home, b"start,usage\n" + rows.encode())
        assert not Quarantine.objects.exists() and not RawMessage.objects.exists()

    def test_a_question_over_midnight_is_asked_on_both_days_and_answered(self, cast: Cast) -> None:
        body = b"start,end,kwh\n2026-06-10 23:50,2026-06-11 00:20,1\n2026-06-10 12:00,2026-06-10 12:15,1\n"
        assert utility_files.import_file(cast.home, body).questions == 2
        for question in Quarantine.objects.all():
            recording.discard(question, cast.people["billing"], "the export was wrong")
        assert utility_files.import_file(cast.home, body).questions == 0

    def test_a_file_of_many_days_takes_no_more_queries_than_one_of_few(self, cast: Cast) -> None:
        def queries(days: int) -> int:
            starts = (datetime(2026, 1, 1, 7, tzinfo=UTC) + timedelta(minutes=15 * n) for n in range(96 * days))
            body = "Start (UTC),kWh\n" + "".join(f"{at:%Y-%m-%d %H:%M},0.{days}\n" for at in starts)
            with CaptureQueriesContext(connection) as found:
                imported = utility_files.import_file(cast.home, body.encode())
            assert imported.days == imported.versions == days
            return len(found)

        assert queries(60) <= queries(3) + 2

    def test_a_bad_file_leaves_nothing_behind(self, cast: Cast) -> None:
        with pytest.raises(BadFile):
            utility_files.import_file(cast.home, b"<html/>")
        assert not RawMessage.objects.exists()


class _June:
    zone, start, end = ZONE, ON, date(2026, 6, 11)
