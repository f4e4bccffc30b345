"""A node's bearer tokens: `xfn_<id>_<secret>`, stored hashed, revocable, two valid at once so that one can follow."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final, Self

from django.db import models
from django.utils import timezone

from homes.models.equipment import Node

PREFIX: Final = "xfn"
_SECRET_BYTES: Final = 32


def parse_token(token: str) -> tuple[int, str] | None:
    """The credential id and secret of a well-formed token; None for anything else."""
    prefix, _, rest = token.partition("_")
    identifier, _, secret = rest.partition("_")
    if prefix != PREFIX or not identifier.isascii() or not identifier.isdigit() or len(identifier) > 18 or not secret:
        return None
    return int(identifier), secret


def hash_secret(secret: str) -> bytes:
    """SHA-256 of the secret. It has 256 random bits, so a slow password hash would add nothing."""
    return hashlib.sha256(secret.encode()).digest()


class NodeCredentialQuerySet(models.QuerySet["NodeCredential"]):
    def live(self) -> Self:
        return self.filter(revoked_at__isnull=True)


class NodeCredential(models.Model):
    """One bearer token of a node."""

    node = models.ForeignKey(Node, on_delete=models.CASCADE, related_name="credentials")
    secret_sha256 = models.BinaryField(max_length=32)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = NodeCredentialQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{PREFIX}_{self.pk}_..."

    @classmethod
    def issue(cls, node: Node) -> tuple[NodeCredential, str]:
        """A new credential and its token, which is shown once and cannot be recovered.

        The database refuses a third live one (IntegrityError; see homes.rules).
        """
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        credential = cls.objects.create(node=node, secret_sha256=hash_secret(secret))
        return credential, f"{PREFIX}_{credential.pk}_{secret}"

    def matches(self, secret: str) -> bool:
        return hmac.compare_digest(bytes(self.secret_sha256), hash_secret(secret))

    def revoke(self) -> None:
        """For good. Takes effect at the door within its token cache's seconds; telling twice changes nothing."""
        NodeCredential.objects.filter(pk=self.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
