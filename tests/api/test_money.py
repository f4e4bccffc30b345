"""The endpoints about money: that they say what the statement says, to whom, and that a write is done once."""

from __future__ import annotations

import csv
import io
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from lxml import etree

from billing import payouts
from billing.models import Channel, KeyedRequest, Reading, Statement, StatementQuestion
from homes.access import acting_as_system
from tests.cast import Cast, needs_database
from tests.portal.money import billed, months
from xfra_portal.api import idempotency, statements

pytestmark = needs_database
ESPI = "{http://naesb.org/espi}"


def get(cast: Cast, name: str, path: str, status: int = 200) -> Any:
    answer = cast.client(name).get(f"/api/v1/homes/{cast.home.pk}/{path}")
    assert answer.status_code == status, (path, answer.content)
    return answer.json()


@pytest.fixture
def latest(cast: Cast) -> Statement:
    return billed(cast.home)[1]


def test_a_statement_adds_up(cast: Cast, latest: Statement) -> None:
    found = get(cast, "member", f"statements/{latest.number}")
    assert found["you_pay_cents"] == latest.you_pay_cents == sum(one["host_cash_cents"] for one in found["lines"])
    assert found["we_pay_cents"] == sum(one["operator_cash_cents"] for one in found["lines"])
    assert found["node_cents"] == sum(one["node_cents"] for one in found["lines"])
    assert found["lines"] == get(cast, "owner", f"statements/{latest.number}/lines")["lines"]


def test_statements_come_in_pages_the_latest_first(cast: Cast, latest: Statement) -> None:
    numbers, url = [], f"/api/v1/homes/{cast.home.pk}/statements?page_size=1"
    while url:
        page = cast.client("member").get(url).json()
        numbers += [one["number"] for one in page["results"]]
        url = page["next"]
    assert numbers == [latest.number, (latest.number or 0) - 1]


def test_a_line_opens_down_to_its_quarter_hours(cast: Cast, latest: Statement) -> None:
    lines = get(cast, "member", f"statements/{latest.number}/lines")["lines"]
    evening = next(one for one in lines if one["tou_period"] == 1)
    opened = get(cast, "member", f"statements/{latest.number}/lines/{evening['ordinal']}")
    assert opened["tariff_row"]["hours"] == ["weekdays 2 pm to 8 pm"]
    assert opened["tariff_row"]["steps"] == [{"upper": None, "rate": "0.3", "is_this_line": True}]
    intervals = get(cast, "member", f"statements/{latest.number}/intervals")
    wh = sum(w for w, tou in zip(intervals["site_import_wh"], intervals["tou_period"], strict=True) if tou == 1)
    assert wh == sum(day["with_wh"] for day in opened["days"]) == float(evening["quantity_with"]) * 1000


def test_intervals_by_day_and_as_csv(cast: Cast, latest: Statement) -> None:
    _, start, end = months(cast.home)
    path = f"statements/{latest.number}/intervals"
    whole = get(cast, "member", path)
    assert len(whole["at"]) == latest.period.interval_count
    day = get(cast, "member", f"{path}?start={start}&end={start + timedelta(days=1)}")
    assert len(day["at"]) == 96 and day["at"] == whole["at"][:96]
    text = cast.client("member").get(f"/api/v1/homes/{cast.home.pk}/{path}?format=csv").content.decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [int(row["site_import_wh"]) for row in rows] == whole["site_import_wh"]
    for query in (f"start={end}", f"end={start}", "start=yesterday", "start=2026-13-40"):
        assert "start" in get(cast, "member", f"{path}?{query}", 400)["errors"]


def test_segments_are_exact_and_the_difference_adds_up(cast: Cast, latest: Statement) -> None:
    segments = get(cast, "member", f"statements/{latest.number}/segments")
    assert segments["input_sha256"] == latest.run.input_sha256
    assert {one["side"] for one in segments["segments"]} == {"with", "without"}
    for figure in ("you_pay", "we_pay", "saved"):
        found = get(cast, "member", f"statements/{latest.number}/difference?of={figure}")
        assert found["compared_with"] == (latest.number or 0) - 1
        assert found["was_cents"] + sum(step["cents"] for step in found["steps"]) == found["now_cents"]
    first = get(cast, "member", f"statements/{(latest.number or 0) - 1}/difference")
    assert first["compared_with"] is None and first["steps"] == []


def test_files_are_for_who_may_have_them(cast: Cast, latest: Statement) -> None:
    kinds = [one["kind"] for one in get(cast, "owner", f"statements/{latest.number}/files")["files"]]
    assert kinds == ["pdf", "csv", "green-button", "bundle"]
    listed = get(cast, "member", f"statements/{latest.number}/files")["files"]
    assert [one["kind"] for one in listed] == ["pdf", "csv", "green-button"]
    beginnings = {"pdf": b"%PDF-", "csv": b"statement", "green-button": b"<?xml", "bundle": b"PK"}
    for name, expected in (("owner", kinds), ("member", kinds[:3])):
        for kind in kinds:
            answer = cast.client(name).get(f"/api/v1/homes/{cast.home.pk}/statements/{latest.number}/files/{kind}")
            assert answer.status_code == (200 if kind in expected else 404), (name, kind)
            if kind in expected:
                assert answer.content.startswith(beginnings[kind]), answer.content[:40]
                assert answer["Cache-Control"] == "no-store" and "attachment" in answer["Content-Disposition"]
    assert get(cast, "owner", f"statements/{latest.number}/files/nothing", 404)


def test_green_button_of_a_statement_has_its_watt_hours(cast: Cast, latest: Statement) -> None:
    address = f"/api/v1/homes/{cast.home.pk}/statements/{latest.number}/files/green-button"
    root = etree.fromstring(cast.client("member").get(address).content)
    values = [int(each.text) for each in root.iter(f"{ESPI}value")]
    run = latest.run
    # The summary's overall consumption is among the values, once.
    assert sum(values) == 2 * run.site_import_wh + run.site_export_wh + run.node_wh
    notes = [each.text for each in root.iter(f"{ESPI}note")]
    assert "Paid by the operator, internet included" in notes


def test_green_button_of_any_days(cast: Cast, latest: Statement) -> None:
    first, second, _ = months(cast.home)
    address = f"/api/v1/homes/{cast.home.pk}/green-button"
    found = cast.client("member").get(address, {"start": first, "end": second})
    assert found["Content-Type"] == "application/atom+xml"
    assert etree.fromstring(found.content).tag.endswith("feed")
    assert cast.client("member").get(address, {"start": "2021-01-01", "end": "2021-01-02"}).status_code == 404
    for query in ({"start": first, "end": first}, {"start": "2024-01-01", "end": second}, {"start": "x"}):
        assert cast.client("member").get(address, query).status_code == 400


def test_the_month_so_far(cast: Cast, latest: Statement) -> None:
    found = get(cast, "member", "month-to-date")
    assert found["is_final"] is False
    if found["figures"]:
        assert found["figures"]["you_pay_cents"] == sum(one["host_cash_cents"] for one in found["lines"])
        assert found["bands"]
    else:
        assert found["problem"]["code"] == "first_day"


def test_agreements_tariffs_payouts_and_ledger(cast: Cast, latest: Statement) -> None:
    with acting_as_system():
        payout = payouts.create(cast.home)
        assert payout is not None
    (agreement,) = get(cast, "owner", "agreements")["agreements"]
    assert agreement["settlement"] == "hold_harmless" and agreement["end"] is None
    get(cast, "member", "agreements", 404)
    (tariff,) = get(cast, "member", "tariffs")["tariffs"]
    assert tariff["document"]["energyratestructure"][1] == [{"rate": 0.3}]
    assert [one["key"] for one in get(cast, "owner", "payouts")["results"]] == [payout.key]
    get(cast, "member", "payouts", 404)
    owners, members = get(cast, "owner", "ledger"), get(cast, "member", "ledger")
    for entry in owners["results"]:
        assert sum(each["cents"] for each in entry["postings"]) == 0
    assert {one["kind"] for one in owners["results"]} == {"statement", "payout"}
    assert {one["kind"] for one in members["results"]} == {"statement"}


def ask(client: Client, cast: Cast, number: int | None, key: str | None, text: str = "Why so much?") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    address = f"/api/v1/homes/{cast.home.pk}/statements/{number}/questions"
    return client.post(address, {"text": text}, content_type="application/json", headers=headers)


def asked() -> int:
    with acting_as_system():
        return StatementQuestion.objects.count()


def test_a_write_that_is_repeated_is_done_once(cast: Cast, latest: Statement) -> None:
    client, key = cast.client("member"), str(uuid.uuid4())
    first, again = ask(client, cast, latest.number, key), ask(client, cast, latest.number, key)
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert again["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first
    assert asked() == 1
    assert ask(client, cast, latest.number, str(uuid.uuid4())).json()["id"] != first.json()["id"]
    assert len(get(cast, "owner", f"statements/{latest.number}/questions")["questions"]) == 2


def test_another_body_under_the_same_key_is_refused(cast: Cast, latest: Statement) -> None:
    client, key = cast.client("member"), str(uuid.uuid4())
    ask(client, cast, latest.number, key)
    other = ask(client, cast, latest.number, key, "Something else?")
    elsewhere = ask(client, cast, (latest.number or 0) - 1, key)
    for refused in (other, elsewhere):
        assert refused.status_code == 422
        assert refused.json()["type"] == "/api/v1/docs/#problem-key-reused"
        assert refused["Content-Type"] == "application/problem+json"
    assert asked() == 1
    assert ask(cast.client("owner"), cast, latest.number, key).status_code == 201  # a key is its person's own


@pytest.mark.parametrize("key", [None, "short", "x" * 201, "with space in it", "naïve-key-é"])
def test_a_write_without_a_usable_key_is_refused(cast: Cast, latest: Statement, key: str | None) -> None:
    refused = ask(cast.client("member"), cast, latest.number, key)
    assert refused.status_code == 400
    assert "Idempotency-Key" in refused.json()["errors"]
    assert asked() == 0


def test_what_failed_is_forgotten_and_may_be_tried_again(
    cast: Cast, latest: Statement, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, key = cast.client("member"), str(uuid.uuid4())
    assert ask(client, cast, latest.number, key, "?").status_code == 400
    client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr(statements, "_question_json", lambda _: 1 / 0)
        assert ask(client, cast, latest.number, key).status_code == 500
    assert asked() == 0, "what was done is undone with the answer"
    assert ask(client, cast, latest.number, key).status_code == 201


def test_work_that_died_is_taken_over_and_work_that_goes_on_is_not(cast: Cast, latest: Statement) -> None:
    client, key = cast.client("member"), str(uuid.uuid4())
    ask(client, cast, latest.number, key)
    with acting_as_system():
        row = KeyedRequest.objects.filter(key=key)
        row.update(finished_at=None, status=None, answer=None, started_at=timezone.now())
    busy = ask(client, cast, latest.number, key)
    assert busy.status_code == 409 and busy["Retry-After"] == "2"
    assert busy.json()["type"] == "/api/v1/docs/#problem-at-work"
    with acting_as_system():
        row.update(started_at=timezone.now() - idempotency.LEASE - timedelta(seconds=1))
    assert ask(client, cast, latest.number, key).status_code == 201


def test_a_question_may_be_about_a_line_that_there_is(cast: Cast, latest: Statement) -> None:
    address = f"/api/v1/homes/{cast.home.pk}/statements/{latest.number}/questions"
    client = cast.client("owner")

    def post(body: dict[str, Any]) -> Any:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return client.post(address, body, content_type="application/json", headers=headers)

    assert post({"text": "Why?!", "line": 1}).json()["line"] == 1
    assert "line" in post({"text": "Why?!", "line": 77}).json()["errors"]
    assert "text" in post({"text": ""}).json()["errors"]
    for name in ("viewer", "outsider", "operator", "technician"):
        assert ask(cast.client(name), cast, latest.number, str(uuid.uuid4())).status_code == 404
    assert ask(cast.client("anonymous"), cast, latest.number, str(uuid.uuid4())).status_code == 401


def _file(cast: Cast) -> bytes:
    first, _, _ = months(cast.home)
    rows = [f"{first} {hour:02}:{minute:02},0.5" for hour in range(24) for minute in (0, 15, 30, 45)]
    return "\n".join(["start,usage (kWh)", *rows]).encode()


def test_a_utilitys_file_is_the_desks_to_import_and_once(cast: Cast, latest: Statement) -> None:
    address = f"/api/v1/homes/{cast.home.pk}/green-button"

    def post(name: str, key: str, body: bytes) -> Any:
        return cast.client(name).post(address, body, content_type="text/csv", headers={"Idempotency-Key": key})

    assert post("owner", "my-own-key-1", _file(cast)).status_code == 403
    assert post("viewer", "my-own-key-1", _file(cast)).status_code == 404
    first = post("billing", "my-own-key-1", _file(cast))
    assert first.status_code == 201, first.content
    assert first.json()["days"] == 1 and first.json()["is_new"] is True
    assert post("billing", "my-own-key-1", _file(cast)).json() == first.json()
    assert post("billing", "another-key-2", _file(cast)).json()["is_new"] is False
    assert "file" in post("billing", "another-key-3", b"nothing,to,see").json()["errors"]
    with acting_as_system():
        assert Reading.objects.filter(home=cast.home, source="utility", channel=Channel.SITE_IMPORT).count() == 1
