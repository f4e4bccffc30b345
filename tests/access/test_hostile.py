"""No request, however broken, is answered with our own failure: what cannot be read is refused, at every door.

A share of these in the suite; more with `--hostile-requests 5000`. A run that fails says its seed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.db import transaction

from billing.models import TariffVersion
from homes.access import acting_as_system
from tests.access.hostile import RAW, TEXTS, knock
from tests.access.test_sockets import ROUTES, _headers, _knock
from tests.access.test_walk import EVERY_DOOR
from tests.api.heard import mention
from tests.cast import ANONYMOUS, Cast, needs_database
from tests.portal.money import begun, billed
from xfra_portal import unreadable
from xfra_portal.api.throttling import PersonThrottle
from xfra_portal.asgi import application

pytestmark = needs_database
PEOPLE = ("owner", "billing", "admin", ANONYMOUS)
DOORS = ("/api/v1/write", "/v1/metrics", "/api/v1/otlp/v1/metrics")


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    seed = request.config.getoption("--hostile-seed")
    found = secrets.randbelow(10**9) if seed is None else seed
    print(f"--hostile-seed {found}")  # noqa: T201  (pytest shows it of a test that fails)
    return random.Random(found)


@pytest.fixture(autouse=True)
def _unlimited(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[None]:
    """No limit keeps a request from its parser; what is logged of each refusal stays out of the output; and Channels
    leaves the connection that the test's transaction is in."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)
    cache.clear()
    settings.ACCOUNT_RATE_LIMITS = False
    monkeypatch.setattr(PersonThrottle, "allow_request", lambda *_: True)
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def _right(cast: Cast) -> dict[str, str]:
    """Placeholders as they stand in addresses, with what is really there."""
    number = billed(cast.home)[1].number
    month = f"{begun(cast.home):%Y-%m}"
    with acting_as_system():
        version = TariffVersion.objects.get().pk
    known = {
        "home_id": cast.home.pk,
        "node_id": cast.node.pk,
        "hostname": cast.node.hostname,
        "number": number,
        "month": month,
        "version_id": version,
        "series_id": mention(cast.node),
        "kind": "csv",
    }
    names = {found for address in EVERY_DOOR.values() for found in re.findall(r"<[^>]*>", address)}
    return {name: str(known.get(name.strip("<>").rpartition(":")[2], 1)) for name in names}


def _template(address: str) -> str:
    """An address whose placeholders of regular expressions are written like the others."""
    return re.sub(r"[\^$]|\(/\|\)", "", re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", address))


def test_no_request_breaks_a_door(cast: Cast, dice: random.Random, pytestconfig: pytest.Config) -> None:
    """Every address of the resolver, ours and those of signing in, for an owner, a clerk, an administrator, nobody."""
    right = _right(cast)
    right |= {name: "none" for name in ("<path>", "<key>", "<uidb36>") if name not in right}
    templates = [_template(address) for address in EVERY_DOOR.values()]
    clients = {person: cast.client(person) for person in PEOPLE}
    asked = pytestconfig.getoption("--hostile-requests")
    broken, statuses = {}, set()
    for turn in range(asked):
        person = dice.choice(PEOPLE)
        made = knock(dice, templates[turn % len(templates)], right)
        clients[person].raise_request_exception = False
        with transaction.atomic():
            answer = clients[person].generic(
                made.method.upper(), made.path, made.body, made.media_type, headers=made.headers
            )
            transaction.set_rollback(True)
        statuses.add(answer.status_code)
        if answer.status_code >= 500 and not made.path.startswith("/readyz"):
            broken[f"{person} {made}"[:600]] = answer.status_code
    assert not broken, "\n".join(f"{status}: {what}" for what, status in broken.items())
    assert statuses >= {200, 302, 400, 401, 404, 405}, "then nothing was reached at all"


def test_no_body_breaks_an_ingest_door(cast: Cast, dice: random.Random) -> None:

    async def post() -> dict[str, int]:
        transport = httpx.ASGITransport(application, raise_app_exceptions=False)
        found = {}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            for body in RAW:
                headers = {
                    "content-type": dice.choice(
                        ("application/json", "application/x-protobuf", "\xff", "application/x-protobuf;proto=\x00")
                    ).encode("latin-1"),
                    "content-encoding": dice.choice(("snappy", "gzip", "identity", "zstd", "br", "\xff")).encode(
                        "latin-1"
                    ),
                    "authorization": f"Bearer {dice.choice((cast.node_token, 'x', '', 'xfn_9' * 9))}".encode(),
                }
                answer = await client.post(dice.choice(DOORS), content=body, headers=headers)
                if answer.status_code >= 500 and answer.status_code != 503:
                    found[f"{headers} {body[:80]!r}"] = answer.status_code
        return found

    assert async_to_sync(post)() == {}


NO_SUCH_SOCKETS = [
    "/ws/",
    "/ws/homes/x/",
    "/ws/nodes/-1/",
    "/ws/none/",
    "/",
    "/ws/fleet",
    "/ws/nodes/" + "9" * 400 + "x/",
]


@pytest.mark.parametrize("path", NO_SUCH_SOCKETS)
def test_a_socket_that_is_none_is_refused(cast: Cast, path: str) -> None:
    assert async_to_sync(_knock)(path, _headers(cast, "owner")) is False


def test_no_handshake_breaks_a_socket(cast: Cast, dice: random.Random) -> None:
    """Refused, closed or served, and never an exception: the helper raises what the application does."""
    evil = [text.encode("utf-8", "surrogatepass") for text in TEXTS]
    cookie = b'sessionid="\\000\\000\\000\\000\\000\\000\\000\\000\\000"'

    async def try_all() -> None:
        for name in ROUTES:
            for value in [*evil, b"http://[", b"null"]:
                path = re.sub(r"<[^>]*>", str(dice.choice((cast.node.pk, 10**30, cast.home.pk))), ROUTES[name])
                header = dice.choice((b"origin", b"host", b"cookie", b"authorization"))
                given = [(b"host", b"localhost"), (header, cookie if header == b"cookie" else value)]
                offered = [f"bearer.{value.decode('latin-1')}"] if dice.random() < 0.3 else []
                await _knock(path, given, offered)

    async_to_sync(try_all)()


def test_a_parsers_own_exception_is_the_senders_fault_and_a_bug_is_not() -> None:
    async def answer(error: Exception) -> list[Any]:
        async def broken(scope: Any, receive: Any, send: Any) -> None:
            raise error

        said: list[Any] = []

        async def send(message: Any) -> None:
            said.append(message.get("status"))

        await unreadable.Guard(broken)({"type": "http", "path": "/v1/metrics", "headers": []}, None, send)
        return said

    for error in (RecursionError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), OverflowError()):
        assert asyncio.run(answer(error))[0] == 400
    with pytest.raises(KeyError):
        asyncio.run(answer(KeyError("a bug of ours stays one")))


@pytest.mark.parametrize("charset", ["hex", "utf-16", "rot13", '"utf-7"', "none", "utf-8\x00", "\xff", "zlib; q=1"])
def test_an_encoding_of_something_else_than_text_is_refused(charset: str) -> None:
    async def post() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://localhost") as client:
            given = f"application/json; charset={charset}".encode("latin-1")
            return (await client.post("/accounts/login/", content=b"{}", headers={"content-type": given})).status_code

    assert asyncio.run(post()) == 400


JSON_DOORS = {
    "deep": b"[" * 100_000,
    "deep and whole": b'{"text":' * 50 + b"1" + b"}" * 50,
    "many": b'{"text":[' + b"0," * 60_000 + b"0]}",
    "a long number": b'{"text":' + b"9" * 5000 + b"}",
    "NUL": b'{"text":"\\u0000"}',
    "half a pair": b'{"text":"\\ud800"}',
    "no number": b'{"text":NaN}',
}


@pytest.mark.parametrize("case", JSON_DOORS)
def test_what_no_json_may_be_is_said_at_each_door_that_takes_json(cast: Cast, case: str) -> None:
    """Signing in, a question about a statement, the desk's tariff: one reader, and each door's own form of answer."""
    body, number = JSON_DOORS[case], billed(cast.home)[1].number
    sign_in = cast.client(ANONYMOUS).post("/_allauth/app/v1/auth/login", body, content_type="application/json")
    assert (sign_in.status_code, sign_in.json()["errors"][0]["code"]) == (400, "unreadable")
    address = f"/api/v1/homes/{cast.home.pk}/statements/{number}/questions"
    asked = cast.client("owner").post(address, body, content_type="application/json")
    assert (asked.status_code, asked["Content-Type"]) == (400, "application/problem+json")
    too_long = len(body) > unreadable.MOST_SIGN_IN_BYTES  # which is less where nobody is known yet
    assert too_long or asked.json()["detail"] == sign_in.json()["errors"][0]["message"]
    form = cast.client("billing").post("/billing/tariffs/", {"text": body.decode()})
    assert form.status_code == 400 and b'class="error"' in form.content
