"""What precedes the operations: in the schema's description as Markdown, on the reference's page as text.

`docs/api.md` is the longer form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Section:
    """Paragraphs, in which `backticks` enclose code, and an example."""

    title: str
    paragraphs: tuple[str, ...]
    example: str = ""


SECTIONS: Final = (
    Section(
        "Signing in",
        (
            "`POST /_allauth/app/v1/auth/login` with email and password, as JSON and without cookies. 200 brings"
            " `meta.access_token` (5 minutes) and `meta.refresh_token`. 401 with a flow `mfa_authenticate` that"
            " `is_pending` asks for a second factor: `POST /_allauth/app/v1/auth/2fa/authenticate` with the header"
            " `X-Session-Token: <meta.session_token>` and `code`. Every request then carries"
            " `Authorization: Bearer <access token>`; a browser that is signed in needs nothing.",
            "`DELETE /_allauth/app/v1/auth/session` signs out; it answers 401, which there means done. What"
            " changes how somebody signs in takes a proof from within 15 minutes, else it answers 401 with"
            " `meta.is_authenticated` true: `POST /_allauth/app/v1/auth/reauthenticate` with `password`, then again.",
        ),
        "curl -s $PORTAL/_allauth/app/v1/auth/login -H 'Content-Type: application/json' \\\n"
        '     -d \'{"email": "maya@example.com", "password": "..."}\'\n'
        'curl -s $PORTAL/api/v1/homes -H "Authorization: Bearer $ACCESS_TOKEN"',
    ),
    Section(
        "Renewing the token",
        (
            "On 401, `POST /_allauth/app/v1/tokens/refresh`: it brings `data.access_token` and a new"
            " `data.refresh_token`, which takes the place of the old one. Store it first. An answer that was lost can"
            " be asked for again for 60 seconds. 401 there: sign in again; `errors[0].code` is `refresh-unknown`, or"
            " `refresh-reused` where an old token was used, which may have been copied.",
        ),
        "curl -s $PORTAL/_allauth/app/v1/tokens/refresh -H 'Content-Type: application/json' \\\n"
        '     -d "{\\"refresh_token\\": \\"$REFRESH_TOKEN\\"}"',
    ),
    Section(
        "Live state",
        (
            "Do not poll: `/ws/homes/{home_id}/` sends `live` of a home as it is, then again whenever it changed, at"
            " most three times a second. Staff have `/ws/nodes/{node_id}/` (`live` of a node) and `/ws/fleet/`"
            " (`cells` of the fleet: all, then those that changed). Offer the subprotocols `xfra.v1` and"
            " `bearer.<access token>`. Each message is whole, so a lost one does not matter.",
            'Where there is nothing to tell, `{"type": "still_here"}` comes every 8 seconds: after 60 seconds without'
            " any message the path is dead, connect again. It closes with 4401: renew the token; 4403: sign in again;"
            " 4404: not yours, do not retry; 1013 and whatever the network does: connect again after 1 s, 2 s, 4 s,"
            " at most 30 s.",
        ),
        "connect(f'wss://portal.example/ws/homes/{home_id}/', subprotocols=['xfra.v1', f'bearer.{token}'])",
    ),
    Section(
        "Values and their age",
        (
            "Each name carries its unit; a `_ratio` is 0 to 1. `null` is unknown and never zero. A live value is"
            " `{value, at}`: one whose `at` is more than 60 seconds ago is old, and to be shown as old; so is"
            " `node.state` by `as_of`. Ages grow without a message. While a home has no node, every part of `live` is"
            " null. Instants are ISO 8601 in UTC; days and months are those of the home's `timezone`.",
        ),
    ),
    Section(
        "Pages, limits, problems",
        (
            "A list in pages has `next`: follow it as it is until it is null. `page_size` is at most 200, and 50 unless"
            " asked for. Each person has 600 requests a minute; 429 and 503 say in `Retry-After` when to come back."
            " What goes wrong is answered with a problem document (RFC 9457); its `type` is `about:blank` where the"
            " status says it all. A write takes an `Idempotency-Key`, and is done once however often it is sent."
            " New fields may appear at any time.",
        ),
    ),
)


def markdown() -> str:
    return "\n\n".join(_markdown(section) for section in SECTIONS)


def _markdown(section: Section) -> str:
    example = [f"```\n{section.example}\n```"] if section.example else []
    return "\n\n".join([f"## {section.title}", *section.paragraphs, *example])


def introduce(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook: the settings' one line is the summary, this the description."""
    info = result["info"]
    result["info"] = {**info, "summary": info["description"], "description": markdown()}
    return result
