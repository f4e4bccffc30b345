"""Live payloads in the schema: serializers made from the TypedDicts that pages and sockets share, so none can drift."""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints, is_typeddict

from rest_framework import serializers as s

from telemetry import payloads
from telemetry.node_state import State

_INSTANTS: Final = {"at", "since", "as_of", "heard_at"}
_PLAIN: Final[dict[type, type[s.Field]]] = {float: s.FloatField, int: s.IntegerField, bool: s.BooleanField}
_WORDS: Final = {
    "value": "In the unit that the field's name says.",
    "at": "When it was measured (UTC).",
    "heard_at": "Instant of the newest sample; null: never heard.",
    "as_of": "When the state was last judged.",
    "state": ", ".join(State),
    "cause": "Why it is in this state; empty when there is nothing to explain.",
    "battery_watts": "The battery's power; charging is positive.",
    "site_watts": "At the service entrance; import is positive.",
    "spare_watts": "What the service could still carry.",
    "backup_basis_watts": "The household's usual draw that hours of backup are reckoned with.",
    "values": "By metric name of the catalogue; a name that is missing is unknown.",
    "circuits": "Named household circuits, in watts.",
    "type": "home, node or fleet",
}


@cache
def serializer_of(payload: type) -> type[s.Serializer]:
    """A serializer with the fields of this TypedDict; its component in the schema has the TypedDict's name."""
    fields = {name: _field(name, hint) for name, hint in get_type_hints(payload).items()}
    return type(f"{payload.__name__}Serializer", (s.Serializer,), {"__doc__": payload.__doc__, **fields})


def _field(name: str, hint: Any) -> s.Field:
    nullable = get_origin(hint) is UnionType
    if nullable:
        hint = next(part for part in get_args(hint) if part is not NoneType)
    options: dict[str, Any] = {"allow_null": True} if nullable else {}
    if words := _WORDS.get(name):
        options["help_text"] = words
    if is_typeddict(hint):
        return serializer_of(hint)(**options)
    if get_origin(hint) is list:
        return serializer_of(get_args(hint)[0])(many=True, **options)
    if get_origin(hint) is dict:
        return s.DictField(child=_field("", get_args(hint)[1]), **options)
    if hint is str:
        return _text(name, options)
    return _PLAIN[hint](**options)


def _text(name: str, options: dict[str, Any]) -> s.Field:
    if name in _INSTANTS:
        return s.DateTimeField(**options)
    return s.UUIDField(**options) if name == "home" else s.CharField(allow_blank=name == "cause", **options)


Battery: Final = serializer_of(payloads.BatteryPayload)
FleetCell: Final = serializer_of(payloads.FleetCell)
HomeLive: Final = serializer_of(payloads.HomePayload)
Line: Final = serializer_of(payloads.LinePayload)
NodeLive: Final = serializer_of(payloads.NodePayload)
StateNow: Final = serializer_of(payloads.StatePayload)
