"""The endpoint about batches that could not be stored. Deciding on them is the console's."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from homes.models.places import SEES_EVERY_HOME
from telemetry import dead_letters
from telemetry.payloads import iso
from xfra_portal.api import serializers
from xfra_portal.api.base import Response, View, operation


class DeadLetters(View):
    @operation(
        "dead_letters_list",
        "Bodies that were acknowledged and could not be stored, newest first",
        serializers.DeadLettersSerializer,
        "nodes",
        [OpenApiParameter("before", str, description="Only letters before the one with this id: `older` of a page.")],
        description=f"{dead_letters.PAGE} of them in each answer, the newest first; `older` leads to the next ones."
        " Instants are ISO 8601 in UTC.",
    )
    def get(self, request: Request) -> Response:
        if self.person.operator_role not in SEES_EVERY_HOME:
            raise Http404
        letters, count = dead_letters.page(request.query_params.get("before", "")), dead_letters.count()
        return Response(
            {
                "letters": count.letters,
                "held_bytes": count.held_bytes,
                "is_full": count.is_full,
                "older": letters[-1].id if len(letters) == dead_letters.PAGE else None,
                "results": [_row(letter) for letter in letters],
            }
        )


def _row(letter: dead_letters.Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "at": iso(letter.at),
        "node": letter.node_id,
        "reason": letter.reason,
        "size_bytes": letter.size_bytes,
        "samples": letter.samples,
        "first_at": iso(letter.first_at),
        "last_at": iso(letter.last_at),
    }
