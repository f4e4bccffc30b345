"""Pages of a list, and how they are asked for."""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError as NoValue
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination as Base

MOST: Final = 200
USUAL: Final = 50
PARAMETERS: Final = [
    OpenApiParameter("cursor", str, description="From the link to the next page; follow `next` as it is."),
    OpenApiParameter(
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
        description=f"Rows of a page: default {USUAL}, at most {MOST}.",
    ),
]


class CursorPagination(Base):
    """Pages that stay right while rows come and go: follow `next` until it is null."""

    page_size = USUAL
    page_size_query_param = "page_size"
    max_page_size = MOST
    ordering = "pk"

    def paginate_queryset(self, queryset: Any, request: Any, view: Any = None) -> list[Any] | None:
        """Raises ValidationError for a cursor that is none of ours, whatever is wrong with it."""
        try:
            return super().paginate_queryset(queryset, request, view)
        except (NotFound, NoValue, ValueError) as error:
            raise ValidationError({"cursor": "take it from `next` or `previous` of a page"}) from error


class NewestFirst(CursorPagination):
    ordering = "-pk"
