"""Enumerations in the schema that may grow: strings with their present words, so that a client made from the schema
does not refuse the next one. Closed enumerations stay as they are."""

from __future__ import annotations

from typing import Any, Final

MAY_GROW: Final = ("NodeStateEnum", "NodeCauseEnum", "ProblemTypeEnum", "ReasonEnum")
WORDS: Final = "x-extensible-enum"
_BLANK: Final = {"$ref": "#/components/schemas/BlankEnum"}
_IS_OPEN: Final = "There may be new ones: take what you do not know for one of these that you do not know."


def open_enumerations(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's postprocessing hook. A word that may be empty needs no alternative to say so."""
    schemas = result["components"]["schemas"]
    for name in MAY_GROW:
        found = schemas[name]
        if "enum" in found:
            found[WORDS] = found.pop("enum")
            found["type"] = "string"
            found["description"] = f"{found.get('description', '')}\n\n{_IS_OPEN}".strip()
    schemas.pop("BlankEnum", None)
    for schema in schemas.values():
        for field, kind in schema.get("properties", {}).items():
            if _BLANK in kind.get("oneOf", []):
                schema["properties"][field] = _without_blank(kind)
    return result


def _without_blank(kind: dict[str, Any]) -> dict[str, Any]:
    options = [each for each in kind["oneOf"] if each != _BLANK]
    others = {name: value for name, value in kind.items() if name != "oneOf"}
    return {**others, **options[0]} if len(options) == 1 else {**others, "oneOf": options}
