"""From where a passkey may be used: our own pages, and our own apps by the signature that their platform vouches for.

allauth has no hook for that: its one switch lets any origin in. So its maker of servers is replaced here.
"""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn.internal import auth
from django.conf import settings
from fido2.rpid import verify_rp_id
from fido2.server import Fido2Server
from fido2.webauthn import PublicKeyCredentialRpEntity


def watch_origins() -> None:
    auth.get_server = _server


def _server() -> Fido2Server:
    party = PublicKeyCredentialRpEntity(**get_adapter().get_public_key_credential_rp_entity())
    return Fido2Server(party, verify_origin=partial(may_use, party.id or ""))


def may_use(host: str, origin: str) -> bool:
    """Whether a passkey of this host may be used from an origin: exactly one of ORIGINS that is of this host and that a
    browser takes for secure (https, or http of localhost), or exactly one of PASSKEY_APP_ORIGINS."""
    if origin in settings.PASSKEY_APP_ORIGINS:
        return True
    return origin in settings.ORIGINS and urlsplit(origin).hostname == host and verify_rp_id(host, origin)
