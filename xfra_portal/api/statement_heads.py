"""The published list of statements' signed hashes. For everybody, signed in or not: it tells of nobody."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from billing.documents import heads
from xfra_portal.api import serializers
from xfra_portal.api.base import Response, View, operation

_MARK: Final = re.compile(r"[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_DESCRIPTION: Final = (
    "Every issued statement is a link of its home's chain: a SHA-256 over the link before and the statement, signed"
    " with Ed25519. Keep a copy, and nobody can exchange a statement afterwards. A home is named by the SHA-256 of"
    f" 'xfra-home:' and its id. At most {heads.MOST} in one answer; `next` leads on."
    " `verify_statement.py --heads` of a proof bundle reads this answer."
)


class StatementHeads(View):
    permission_classes = (AllowAny,)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        finished = super().finalize_response(request, response, *args, **kwargs)
        if finished.status_code == 200:
            finished["Cache-Control"] = "public, max-age=60"
        return finished

    @operation(
        "statement_heads_list",
        "The signed hash of every issued statement, by number",
        serializers.StatementHeadsSerializer,
        "statements",
        [
            OpenApiParameter("after", int, description="Only statements with higher numbers: `next` of a page."),
            OpenApiParameter("home", str, description="Only the chain of the home with this mark, 64 hex digits."),
        ],
        description=_DESCRIPTION,
    )
    def get(self, request: Request) -> Response:
        after, mark = request.query_params.get("after") or "0", request.query_params.get("home") or None
        if not _NUMBER.fullmatch(after):
            raise ValidationError({"after": "a statement's number, such as the `next` of a page"})
        if mark is not None and not _MARK.fullmatch(mark):
            raise ValidationError({"home": "64 hexadecimal digits, as in `home` of a head"})
        found = heads.published(int(after), mark)
        more = found[-1].statement if len(found) == heads.MOST else None
        return Response({"format": "xfra-heads-1", "heads": [asdict(head) for head in found], "next": more})
