"""When the books were last checked, and what was found."""

from __future__ import annotations

from django.db import models


class BooksCheck(models.Model):
    """One run of billing.self_checks; `findings` is empty when everything added up."""

    checked_at = models.DateTimeField(auto_now_add=True)
    findings = models.JSONField(default=list)

    class Meta:
        ordering = ["-checked_at"]
        get_latest_by = "checked_at"

    def __str__(self) -> str:
        return f"{self.checked_at}: {len(self.findings)} findings"
