"""System checks of billing: what a deployment must give, with the remedy."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from billing import chain

_HINT = (
    "Set XFRA_STATEMENT_KEY to 32 random bytes in hexadecimal (openssl rand -hex 32), and keep it: its public part is"
    " what outsiders verify statements with."
)


@register(Tags.security, deploy=True)
def statements_can_be_signed(**kwargs: Any) -> list[CheckMessage]:
    given = settings.STATEMENT_SIGNING_KEY
    problem = chain.key_problem(given) if given else "it is not set"
    if not problem or (not given and not settings.IS_PRODUCTION):
        return []
    return [Error(f"Statements cannot be signed with XFRA_STATEMENT_KEY: {problem}.", hint=_HINT, id="xfra.E007")]
