"""The API reference as a page, rendered from the schema: no scripts, no other site's files."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import etag, require_safe
from drf_spectacular.generators import SchemaGenerator


@cache
def schema() -> dict[str, Any]:
    generator: Any = SchemaGenerator  # drf-spectacular has no types
    found: dict[str, Any] = generator().get_schema(request=None, public=True)
    return found


@cache
def _document() -> tuple[bytes, str]:
    """The schema as JSON, and its ETag."""
    body = json.dumps(schema(), separators=(",", ":")).encode()
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@require_safe
@etag(lambda request: _document()[1])
def openapi(request: HttpRequest) -> HttpResponse:
    """The OpenAPI document. The same for everybody, so it is made once per process and may be kept."""
    return HttpResponse(
        _document()[0],
        content_type="application/vnd.oai.openapi+json; charset=utf-8",
        headers={"Cache-Control": "public, max-age=300"},
    )


@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """Every operation with its parameters and the fields of its answer."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path, methods in schema()["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append(_entry(path, method, operation))
    return render(request, "api/reference.html", {"groups": dict(groups), "info": schema()["info"]})


def _entry(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    answer = operation["responses"]["200"].get("content", {}).get("application/json", {})
    examples = [json.dumps(found["value"], indent=2) for found in answer.get("examples", {}).values()]
    return {
        "path": path,
        "method": method.upper(),
        "id": operation["operationId"],
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": operation.get("parameters", []),
        "fields": _fields(answer.get("schema", {})),
        "examples": examples,
    }


def _fields(content: dict[str, Any]) -> list[dict[str, Any]]:
    if content.get("type") == "array":
        content = content["items"]
    if "$ref" in content:
        content = schema()["components"]["schemas"][content["$ref"].rsplit("/", 1)[-1]]
    properties: dict[str, Any] = content.get("properties", {})
    return [
        {"name": name, "type": _type(found), "description": found.get("description", "")}
        for name, found in properties.items()
    ]


def _type(found: dict[str, Any]) -> str:
    kind = found.get("type", "object")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{words} ({found['format']})" if "format" in found else words
