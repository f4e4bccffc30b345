"""From where a passkey may be used: our own pages, and our own apps by the signature that their platform vouches for.

allauth has no hook for that: its one switch lets any origin in. So its maker of servers is replaced here. Its readers
of credentials are wrapped: they let through what the parsers below them raise at a credential that is none.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final
from urllib.parse import urlsplit

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn.internal import auth
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from django.conf import settings
from fido2.rpid import verify_rp_id
from fido2.server import Fido2Server
from fido2.webauthn import PublicKeyCredentialRpEntity

_READERS: Final = (
    "parse_registration_response",
    "parse_authentication_response",
    "extract_user_from_response",
    "complete_registration",
    "complete_authentication",
)
_NO_CREDENTIAL: Final = (
    *(ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError, struct.error),
    *(InvalidSignature, UnsupportedAlgorithm),
)


def watch_origins() -> None:
    auth.get_server = _server
    for name in _READERS:
        setattr(auth, name, _refusing(getattr(auth, name)))


def _refusing(read: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but what is no credential, or a forged one, is refused as a wrong code is."""

    @wraps(read)
    def reader(*given: Any, **named: Any) -> Any:
        try:
            return read(*given, **named)
        except _NO_CREDENTIAL as error:
            raise get_adapter().validation_error("incorrect_code") from error

    return reader


def _server() -> Fido2Server:
    party = PublicKeyCredentialRpEntity(**get_adapter().get_public_key_credential_rp_entity())
    return Fido2Server(party, verify_origin=partial(may_use, party.id or ""))


def may_use(host: str, origin: str) -> bool:
    """Whether a passkey of this host may be used from an origin: exactly one of ORIGINS that is of this host and that a
    browser takes for secure (https, or http of localhost), or exactly one of PASSKEY_APP_ORIGINS."""
    if origin in settings.PASSKEY_APP_ORIGINS:
        return True
    return origin in settings.ORIGINS and urlsplit(origin).hostname == host and verify_rp_id(host, origin)
