"""History as a table for spreadsheets, chosen by `?format=csv` or `Accept: text/csv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import BaseRenderer, JSONRenderer


class CsvRenderer(BaseRenderer):
    """Takes part in content negotiation only; the table itself is written in `histories`.

    What reaches it as data is a problem document, which stays JSON whatever was asked for.
    """

    media_type = "text/csv"
    format = "csv"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        return JSONRenderer().render(data, "application/json", renderer_context)
