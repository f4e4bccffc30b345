"""What `check --deploy` finds before anybody is harmed."""

from __future__ import annotations

from typing import Any

import environ
import pytest

from xfra_portal.checks import mail_goes_out


def _found(settings: Any, url: str, sender: str) -> list[str | None]:
    for name, value in environ.Env.email_url_config(url).items():
        setattr(settings, name, value)
    settings.DEFAULT_FROM_EMAIL = sender
    return [message.id for message in mail_goes_out()]


@pytest.mark.parametrize("url", ["consolemail://", "dummymail://", "memorymail://", "filemail:///var/spool/portal"])
def test_mail_that_goes_nowhere_is_an_error(settings: Any, url: str) -> None:
    assert _found(settings, url, "portal@portal.example") == ["xfra.E007"]


def test_mail_from_nobody_is_an_error(settings: Any) -> None:
    assert _found(settings, "smtp+tls://unused:unused@127.0.0.1:9", "portal@localhost") == ["xfra.E008"]


def test_mail_that_goes_out_is_none(settings: Any) -> None:
    assert _found(settings, "smtp+tls://unused:unused@127.0.0.1:9", "portal@portal.example") == []
