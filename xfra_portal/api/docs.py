"""The API reference as a page, rendered from the schema: no scripts, no other site's files."""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import etag, require_safe
from drf_spectacular.generators import SchemaGenerator

from xfra_portal.api import introduction
from xfra_portal.api.open_words import WORDS

TAGS: Final = ("account", "homes", "money", "statements", "history", "nodes", "billing desk")
"""The groups of the reference, in the order in which a reader needs them."""
_VALUE: Final = re.compile(r"^\* `(.*)` - (.*)$", re.MULTILINE)
"""How drf-spectacular writes an enumeration's values and labels."""


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
    """Every operation with its parameters, its answer and an example; then every object that answers are made of."""
    groups: dict[str, list[dict[str, Any]]] = {tag: [] for tag in TAGS}
    for path, methods in schema()["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append(_entry(path, method, operation))
    kinds = schema()["components"]["schemas"].items()
    objects = [
        {"name": name, "description": found.get("description", ""), "fields": _fields(found)}
        for name, found in kinds
        if "properties" in found
    ]
    words = [
        {"name": name, "values": _values(found)}
        for name, found in kinds
        if any(found.get("enum") or found.get(WORDS, []))
    ]
    shown = {"groups": groups, "objects": objects, "words": words, "sections": introduction.SECTIONS}
    return render(request, "api/reference.html", {**shown, "info": schema()["info"]})


def _values(found: dict[str, Any]) -> list[dict[str, str]]:
    """Each value of an enumeration with what it means, if it does not say so itself; `id` of those that are links."""
    told = dict(_VALUE.findall(found.get("description", "")))
    return [
        {"value": value, "words": told.get(value, "") if told.get(value) != value else "", "id": _fragment(value)}
        for value in found.get("enum") or found[WORDS]
    ]


def _fragment(value: str) -> str:
    return value.rpartition("#")[2] if "#" in value else ""


def _entry(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    content = operation["responses"]["201" if method == "post" else "200"]["content"]
    answer = content.get("application/json")
    return {
        "path": path,
        "method": method.upper(),
        "id": operation["operationId"],
        "summary": operation["summary"],
        "description": operation["description"],
        "parameters": [_parameter(found) for found in operation.get("parameters", [])],
        "body": _bodies(operation.get("requestBody", {}).get("content", {})),
        "answer": _kind(answer["schema"]) if answer else {"before": " or ".join(content), "object": "", "after": ""},
        "csv": bool(answer) and "text/csv" in content,
        "examples": [json.dumps(found["value"], indent=2) for found in answer["examples"].values()] if answer else [],
    }


def _bodies(content: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"media_type": media_type, "kind": _kind(found["schema"])} for media_type, found in content.items()]


def _parameter(found: dict[str, Any]) -> dict[str, Any]:
    kind = found["schema"]
    metrics = kind.get("x-metrics", [])
    choices = [] if metrics else kind.get("enum", [])
    words = [found.get("description", ""), f"One of {', '.join(choices)}." if choices else ""]
    return {"name": found["name"], "in": found["in"], "description": " ".join(filter(None, words)), "metrics": metrics}


def _fields(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "kind": _kind(field), "description": field.get("description", "")}
        for name, field in found["properties"].items()
    ]


def _kind(found: dict[str, Any]) -> dict[str, str]:
    """In words, and the name of the object that it is or is made of, for a link: `before` object `after`."""
    if "$ref" in found:
        return {"before": "", "object": found["$ref"].rsplit("/", 1)[-1], "after": ""}
    options = found.get("oneOf") or found.get("anyOf") or found.get("allOf")
    if options:
        after = " or null" if {"type": "null"} in options else ""
        return {**_kind(options[0]), "after": after}
    inner = found.get("items") or found.get("additionalProperties")
    if isinstance(inner, dict):
        of, each = _kind(inner), "list of" if "items" in found else "by name:"
        return {**of, "before": f"{each} {of['before']}".rstrip()}
    return {"before": _type(found), "object": "", "after": ""}


def _type(found: dict[str, Any]) -> str:
    kind = found.get("type", "object")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{words} ({found['format']})" if "format" in found else words
