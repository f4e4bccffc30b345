"""Tokens of apps: signed JWTs that name a sign-in (homes.models.AppSession) and nothing that opens a session.

Each is signed with a key made of the secret key of then, named in `kid`; those that the secret key replaced
(SECRET_KEY_FALLBACKS) still verify, so that a rotation signs no phone out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import jwt
from django.conf import settings
from django.utils import timezone

Use = Literal["access", "refresh"]
LONGEST: Final = 2048
"""Bytes of a token that is looked at; ours have about 400."""
_ALGORITHM: Final = "HS256"


@dataclass(frozen=True)
class Claims:
    """What a token says: its own id, the sign-in that it belongs to, and whose it is."""

    token_id: UUID
    sign_in: UUID
    user_id: int


def sign(use: Use, claims: Claims, until: datetime) -> str:
    """A token that is good until then, under the present secret key."""
    said = {
        "token_use": use,
        "jti": str(claims.token_id),
        "sid": str(claims.sign_in),
        "sub": str(claims.user_id),
        "iat": int(timezone.now().timestamp()),
        "exp": int(until.timestamp()),
    }
    key_id, key = next(iter(_keys().items()))
    return jwt.encode(said, key, algorithm=_ALGORITHM, headers={"kid": key_id})


def read(token: str, use: Use) -> Claims | None:
    """What a token of ours says; None of one that is not ours, has run out, or is for another use."""
    if len(token) > LONGEST:
        return None
    try:
        key = _keys().get(jwt.get_unverified_header(token).get("kid", ""))
        if key is None:
            return None
        said = jwt.decode(token, key, algorithms=[_ALGORITHM], options={"require": ["exp", "iat"]})
        if said.get("token_use") != use:
            return None
        return Claims(UUID(said["jti"]), UUID(said["sid"]), int(said["sub"]))
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _keys() -> dict[str, bytes]:
    """By key id, the present one first. A key signs tokens alone, whatever else the secret key is used for."""
    found: dict[str, bytes] = {}
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        key = hashlib.sha256(b"app-tokens:" + secret.encode()).digest()
        found.setdefault(hashlib.sha256(b"app-tokens-kid:" + key).hexdigest()[:16], key)
    return found
