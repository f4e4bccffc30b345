"""The headers that every answer has, and what is compressed."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import httpx
import pytest
from django.conf import settings
from django.test import Client

from tests.cast import Cast, needs_database
from xfra_portal.asgi import application

pytestmark = needs_database
STATIC = "/static/xfra_portal/css/tokens.css"


def of(path: str, **headers: str) -> httpx.Response:
    """What the whole application answers to nobody, static files included."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


@pytest.mark.parametrize("path", ["/accounts/login/", "/healthz", "/api/v1/me", "/no/such/page", STATIC])
def test_who_may_embed_an_answer_and_what_it_may_use(path: str) -> None:
    answer = of(path)
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in answer.headers["permissions-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("path", "kept"),
    [("/accounts/login/", "no-store"), ("/accounts/password/reset/", "no-store"), (STATIC, "max-age=60, public")],
)
def test_what_may_be_kept(path: str, kept: str) -> None:
    assert of(path).headers["cache-control"] == kept


@pytest.mark.parametrize("name", ["staticfiles.json", ".fingerprint"])
def test_the_names_of_static_files_are_private(name: str) -> None:
    assert of(f"/static/{name}").status_code == 404
    assert settings.STATIC_NAMES_ROOT != settings.STATIC_ROOT
    assert not Path(settings.STATIC_NAMES_ROOT).is_relative_to(settings.STATIC_ROOT)


@pytest.mark.parametrize("path", ["/accounts/login/", "/api/v1/schema/"])
def test_text_is_compressed(cast: Cast, path: str) -> None:
    answer = Client(HTTP_HOST="localhost").get(path, headers={"accept-encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip" and "Accept-Encoding" in answer["Vary"]
    plain = Client(HTTP_HOST="localhost").get(path).content
    assert len(gzip.decompress(answer.content)) > 0.9 * len(plain) > 2 * len(answer.content)
