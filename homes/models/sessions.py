"""Sign-ins of apps, beside Django's sessions: which key of the app is good for the next renewal."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from homes.models.people import User


class AppSession(models.Model):
    """One sign-in of one app. Its tokens name this row; the row names the session, which may be renamed meanwhile.

    `current_id` and `previous_id` are ids of refresh tokens. Where the latter was used at `renewed_at`, the answer is
    kept sealed for those who did not hear it: see homes.app_sessions.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="app_sessions")
    session_key = models.CharField(max_length=40, unique=True)
    current_id = models.UUIDField()
    previous_id = models.UUIDField(null=True, blank=True)
    answer_sealed = models.TextField(blank=True)
    began_at = models.DateTimeField(default=timezone.now)
    renewed_at = models.DateTimeField(default=timezone.now)
    reused_at = models.DateTimeField(null=True, blank=True)
    """When an old token was used again, which ended this sign-in."""

    def __str__(self) -> str:
        return f"{self.user_id}: since {self.began_at:%Y-%m-%d}"
