"""The chain of a home's issued statements: each link hashes the one before and the statement's content, and is
signed.

sha256(hash of the link before, as 64 hex digits + content as canonical JSON). The signature is Ed25519 of the hash's
hex digits, so that a published head proves to an outsider that nothing before it was exchanged.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

from billing.models import ChainKey
from billing.rules.statements import FIRST_HASH

KEY_FILE: Final = "statement-signing.key"
_KEY_BYTES: Final = 32


class NoSigningKey(RuntimeError):
    """Statements cannot be issued without a key."""


def canonical(content: Mapping[str, Any]) -> bytes:
    """The one way to write content down: sorted keys, no spaces, UTF-8. Numbers in it are integers only."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def link_hash(previous: str, content: Mapping[str, Any]) -> str:
    return hashlib.sha256(previous.encode() + canonical(content)).hexdigest()


def sign(digest: str) -> str:
    return _key().sign(digest.encode()).hex()


def is_signed(digest: str, signature: str, public_key: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), digest.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key() -> str:
    """In hex, of the key that signs now."""
    return _key().public_key().public_bytes_raw().hex()


def current_key() -> ChainKey:
    """The row of the key that signs now."""
    key, _ = ChainKey.objects.get_or_create(public_key=public_key())
    return key


def key_problem(text: str) -> str:
    """What is wrong with a key given in the environment; empty if nothing is."""
    try:
        if len(bytes.fromhex(text)) == _KEY_BYTES:
            return ""
    except ValueError:
        pass
    return "it is not 64 hexadecimal digits"


def _key() -> Ed25519PrivateKey:
    return _loaded(settings.STATEMENT_SIGNING_KEY, settings.DATA_DIR)


@lru_cache(maxsize=4)
def _loaded(given: str, folder: Path) -> Ed25519PrivateKey:
    if given:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(given))
    if settings.IS_PRODUCTION:
        raise NoSigningKey("XFRA_STATEMENT_KEY is not set: statements cannot be signed")
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(_kept(folder / KEY_FILE)))


def _kept(file: Path) -> str:
    """The key of this data folder, made the first time; of two that make it at once both keep the same one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)  # only its owner may read it
    mine = Path(name)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        stream.write(Ed25519PrivateKey.generate().private_bytes_raw().hex())
    try:
        os.link(mine, file)
    except FileExistsError:
        pass
    finally:
        mine.unlink()
    return file.read_text(encoding="ascii").strip()


__all__ = [
    "FIRST_HASH",
    "KEY_FILE",
    "NoSigningKey",
    "canonical",
    "current_key",
    "is_signed",
    "key_problem",
    "link_hash",
    "public_key",
    "sign",
]
