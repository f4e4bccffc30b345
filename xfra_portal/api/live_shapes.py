"""Live payloads in the schema: serializers made from the TypedDicts that pages and sockets share, so none can drift."""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin, get_type_hints, is_typeddict

from rest_framework import serializers as s

from telemetry import payloads
from xfra_portal.api import states

_INSTANTS: Final = {"at", "since", "as_of", "heard_at"}
_PLAIN: Final[dict[type, type[s.Field]]] = {float: s.FloatField, int: s.IntegerField, bool: s.BooleanField}
_OF_STATES: Final = {"state": states.state_field, "cause": states.cause_field}
_WORDS: Final = {
    "value": "In the unit that the field's name says.",
    "at": "When it was measured (UTC).",
    "heard_at": "Instant of the newest sample; null: never heard.",
    "as_of": "Up to when what came in had been looked at when the state was judged.",
    "battery_watts": "The battery's power; charging is positive.",
    "site_watts": "At the service entrance; import is positive.",
    "residual_watts": "What the meters do not account for: site less home, node and battery, plus solar.",
    "spare_watts": "What the service could still carry.",
    "backup_basis_watts": "The household's usual draw that hours of backup are reckoned with.",
    "values": "By metric name of the catalogue; a name that is missing is unknown.",
    "circuits": "Named household circuits, in watts.",
}


@cache
def serializer_of(payload: type, instead: type | None = None) -> type[s.Serializer]:
    """A serializer with the fields of this TypedDict; its component in the schema has the TypedDict's name.

    What is None in `instead`, which may be sent in its place, can be null.
    """
    hints, others = get_type_hints(payload), get_type_hints(instead) if instead else {}
    fields = {name: _field(name, hint | None if others.get(name) is NoneType else hint) for name, hint in hints.items()}
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
    if name in _OF_STATES:
        return _OF_STATES[name](**options)
    if name == "type":
        return s.ChoiceField(["home", "node", "fleet"], **options)
    return s.UUIDField(**options) if name == "home" else s.CharField(**options)


Battery: Final = serializer_of(payloads.BatteryPayload)
FleetCell: Final = serializer_of(payloads.FleetCell)
HomeLive: Final = serializer_of(payloads.HomePayload, payloads.HomeWithoutNodePayload)
Line: Final = serializer_of(payloads.LinePayload)
NodeLive: Final = serializer_of(payloads.NodePayload)
StateNow: Final = serializer_of(payloads.StatePayload)
