"""The typed environment: every variable the portal reads, in one place."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

import environ
from django.core.exceptions import ImproperlyConfigured

from xfra_portal.native_apps import AndroidApp, android_apps, ios_apps

ROOT: Final = Path(__file__).resolve().parent.parent
PROFILES: Final = ("local", "test", "production")
_NAME: Final = r"://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?::\d{1,5})?"
_REAL_MAIL: Final = ("smtp://", "smtps://", "smtp+tls://", "smtp+ssl://")
_SIMULATED_PROVIDER: Final = "billing.payout_provider.SimulatedProvider"

_LOCAL_DATA = Path(os.environ.get("XFRA_DATA_DIR", ROOT / ".local"))

if "DATABASE_URL" not in os.environ and os.environ.get("XFRA_PROFILE", "local") == "local":
    # `make run` leaves its addresses here so that manage.py works by hand beside it.
    environ.Env.read_env(_LOCAL_DATA / "env")

env = environ.Env()


def _profile() -> str:
    """One of PROFILES. Nothing starts under another name, or with a database and none: all that only production has,
    such as second factors and cookies for TLS alone, would be missing without a word."""
    name: str = env.str("XFRA_PROFILE", default="" if "DATABASE_URL" in os.environ else "local")
    if name not in PROFILES:
        known = ", ".join(PROFILES)
        raise ImproperlyConfigured(f"XFRA_PROFILE is {name!r}: say one of {known} wherever DATABASE_URL is given.")
    return name


def _payout_provider() -> str:
    """What carries payouts. In production never the simulated one: it says "paid" and hosts are told so by mail."""
    found: str = env.str("XFRA_PAYOUT_PROVIDER", default="" if PROFILE == "production" else _SIMULATED_PROVIDER)
    if PROFILE == "production" and found == _SIMULATED_PROVIDER:
        raise ImproperlyConfigured("XFRA_PAYOUT_PROVIDER: the simulated provider moves no money; leave it empty.")
    return found


def _origins() -> list[str]:
    """How people reach the portal, such as https://portal.example. What mails, links and limits of sign-in go by: a
    request's own Host is whatever its sender wrote there."""
    port: str = env.str("PORT", default="8000")
    locally = [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]
    usual = {"local": locally, "test": ["http://localhost", "http://testserver", "http://127.0.0.1"]}
    found: list[str] = [origin.strip() for origin in env.list("XFRA_ORIGIN", default=usual.get(PROFILE, []))]
    schemes = "https" if PROFILE == "production" else "https?"
    wrong = [origin for origin in found if not re.fullmatch(schemes + _NAME, origin)]
    if not found or wrong:
        like = "https://portal.example" if PROFILE == "production" else "http://127.0.0.1:8000"
        said = f"{wrong[0]!r} is no origin" if wrong else "is not set"
        raise ImproperlyConfigured(f"XFRA_ORIGIN: {said}; write how people reach the portal, like {like}.")
    return found


def _email_url() -> str:
    """In production something that sends: links that set a password would be printed, and notices count as sent."""
    found: str = env.str("EMAIL_URL", default="" if PROFILE == "production" else "consolemail://")
    if PROFILE == "production" and not found.startswith(_REAL_MAIL):
        remedy = "set it, for instance to smtp+tls://user:password@mail.example:587; see docs/operations.md."
        raise ImproperlyConfigured(f"EMAIL_URL: {found.partition(':')[0] or 'nothing'} sends no mail; {remedy}")
    return found


def _sender() -> str:
    found: str = env.str("DEFAULT_FROM_EMAIL", default="portal@localhost")
    if PROFILE == "production" and found.rstrip("> ").endswith("@localhost"):
        remedy = "set an address that EMAIL_URL's server may send from."
        raise ImproperlyConfigured(f"DEFAULT_FROM_EMAIL: nobody can answer {found}; {remedy}")
    return found


PROFILE: Final[str] = _profile()
DATA_DIR: Final[Path] = _LOCAL_DATA
SECRET_KEY: Final[str] = env.str("SECRET_KEY", default="")
SECRET_KEY_FALLBACKS: Final[list[str]] = env.list("SECRET_KEY_FALLBACKS", default=[])
DATABASE_URL: Final[str] = env.str("DATABASE_URL", default="")
DATABASE_OWNER_URL: Final[str] = env.str("DATABASE_OWNER_URL", default="")
REDIS_URL: Final[str] = env.str("REDIS_URL", default="")
INGEST_REDIS_URL: Final[str] = env.str("INGEST_REDIS_URL", default="") or REDIS_URL
SAMPLES_URL: Final[str] = env.str("SAMPLES_URL", default="")
ORIGINS: Final[list[str]] = _origins()
EMAIL_URL: Final[str] = _email_url()
DEFAULT_FROM_EMAIL: Final[str] = _sender()
ANDROID_APPS: Final[list[AndroidApp]] = android_apps(env.list("XFRA_ANDROID_APPS", default=[]))
IOS_APPS: Final[list[str]] = ios_apps(env.list("XFRA_IOS_APPS", default=[]))
STATEMENT_SIGNING_KEY: Final[str] = env.str("XFRA_STATEMENT_KEY", default="")
PAYOUT_PROVIDER: Final[str] = _payout_provider()
SHOWS_SIMULATED_DATA: Final[bool] = env.bool("XFRA_SIMULATED", default=PROFILE == "local")
INGEST_SHARDS: Final[int] = env.int("XFRA_INGEST_SHARDS", default=2)
INGEST_STREAM_BYTES: Final[int] = env.int("XFRA_INGEST_STREAM_BYTES", default=256 * 1024 * 1024)
INGEST_DEAD_LETTER_BYTES: Final[int] = env.int("XFRA_INGEST_DEAD_LETTER_BYTES", default=32 * 1024 * 1024)
NODE_SAMPLES_PER_SECOND: Final[int] = env.int("XFRA_NODE_SAMPLES_PER_SECOND", default=20_000)
NODE_BYTES_PER_SECOND: Final[int] = env.int("XFRA_NODE_BYTES_PER_SECOND", default=1024 * 1024)
DISK_FOLDERS: Final[list[str]] = env.list("XFRA_DISK_FOLDERS", default=[str(DATA_DIR)] if PROFILE == "local" else [])
DISK_FREE_BYTES: Final[int] = env.int("XFRA_DISK_FREE_BYTES", default=1024 * 1024 * 1024)
DISK_FREE_RATIO: Final[float] = env.float("XFRA_DISK_FREE_RATIO", default=0.02 if PROFILE == "local" else 0.1)
REDIS_MEMORY_RATIO: Final[float] = env.float("XFRA_REDIS_MEMORY_RATIO", default=0.9)
GPU_HOUR_DOLLARS: Final[float] = env.float("XFRA_GPU_HOUR_DOLLARS", default=2.90)
RAW_RETENTION_HOURS: Final[int] = env.int("XFRA_RAW_RETENTION_HOURS", default=72)
SEAL_AFTER_HOURS: Final[int] = env.int("XFRA_SEAL_AFTER_HOURS", default=2)
