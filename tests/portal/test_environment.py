"""What the environment must say before anything starts."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from xfra_portal import environment

DATABASE = "postgres://xfra_app:unused@127.0.0.1:9/xfra"
MAIL = {"EMAIL_URL": "smtp+tls://unused:unused@127.0.0.1:9", "DEFAULT_FROM_EMAIL": "portal@portal.example"}
PRODUCTION = {"XFRA_PROFILE": "production", "DATABASE_URL": DATABASE, "XFRA_ORIGIN": "https://portal.example", **MAIL}
SIMULATED = "billing.payout_provider.SimulatedProvider"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATABASE_URL", "XFRA_PROFILE", "XFRA_PAYOUT_PROVIDER", "XFRA_ORIGIN", *MAIL):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XFRA_DATA_DIR", str(tmp_path))


def _read(monkeypatch: pytest.MonkeyPatch, **given: str) -> dict[str, Any]:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(environment.__file__))


@pytest.mark.parametrize("name", ["prod", "Production", "production ", "staging", ""])
def test_a_profile_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="XFRA_PROFILE"):
        _read(monkeypatch, XFRA_PROFILE=name, DATABASE_URL=DATABASE)


def test_a_database_without_a_profile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="XFRA_PROFILE"):
        _read(monkeypatch, DATABASE_URL=DATABASE)


def test_without_anything_it_is_local_and_what_the_local_stack_left_is_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert _read(monkeypatch)["PROFILE"] == "local"
    (tmp_path / "env").write_text(f"XFRA_PROFILE=local\nDATABASE_URL={DATABASE}\n")
    for name in ("DATABASE_URL", "XFRA_PROFILE"):  # read into the environment, and taken out of it after the test
        monkeypatch.setenv(name, "")
        del os.environ[name]
    found = _read(monkeypatch)
    assert (found["PROFILE"], found["DATABASE_URL"]) == ("local", DATABASE)


@pytest.mark.parametrize(("profile", "provider"), [("production", ""), ("local", SIMULATED), ("test", SIMULATED)])
def test_money_is_simulated_only_where_nothing_is_real(
    monkeypatch: pytest.MonkeyPatch, profile: str, provider: str
) -> None:
    given = PRODUCTION | {"XFRA_PROFILE": profile}
    assert _read(monkeypatch, **given)["PAYOUT_PROVIDER"] == provider


def test_production_refuses_the_simulated_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="moves no money"):
        _read(monkeypatch, **PRODUCTION, XFRA_PAYOUT_PROVIDER=SIMULATED)


NOT_FOR_PRODUCTION = {
    "EMAIL_URL": ["", "consolemail://", "dummymail://", "memorymail://", "filemail:///var/spool/portal"],
    "DEFAULT_FROM_EMAIL": ["portal@localhost", "The portal <portal@localhost>"],
    "XFRA_ORIGIN": [
        *("", "portal.example", "http://portal.example", "https://portal.example/", "https://*.example", "https://"),
        *("https://Portal.example", "https://a@portal.example", "https://portal.example,http://portal.example"),
    ],
}


@pytest.mark.parametrize(("name", "value"), [(name, one) for name, some in NOT_FOR_PRODUCTION.items() for one in some])
def test_production_starts_with_nothing_that_only_looks_like_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """Mail that nobody gets, and a name that is none; the error says which variable, and what to write."""
    with pytest.raises(ImproperlyConfigured, match=f"^{name}: "):
        _read(monkeypatch, **(PRODUCTION | {name: value}))


@pytest.mark.parametrize("missing", ["XFRA_ORIGIN", *MAIL])
def test_production_needs_a_name_and_mail(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"^{missing}: "):
        _read(monkeypatch, **{name: value for name, value in PRODUCTION.items() if name != missing})


def test_the_local_portal_has_the_names_of_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _read(monkeypatch, XFRA_PROFILE="local", DATABASE_URL=DATABASE, PORT="8001")
    assert found["ORIGINS"] == ["http://127.0.0.1:8001", "http://localhost:8001"]
