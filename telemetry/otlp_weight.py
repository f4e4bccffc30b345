"""How many elements an OTLP body has and how deep they nest, found out before any of them becomes an object. Pure.

Eight million empty messages are sixteen megabytes, fifteen kilobytes of gzip, and would be gigabytes of objects.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from telemetry.remote_write import BadBody, TooLarge, varint

MAX_ELEMENTS: Final = 500_000
"""Fields of protobuf messages; of JSON what stands between commas, braces and brackets."""
MAX_NESTING: Final = 32
"""An attribute of a data point is the twelfth message, or the twentieth bracket."""

_FEW: Final = 1 << 16
"""As many as the cheap guess says need not be counted one by one."""
_MANY: Final = 8 * MAX_ELEMENTS
"""Nor as many as this: of ordinary text and numbers, fewer than one byte in six is counted in vain."""
_DELIMITED: Final = bytes(mark | tag for tag in range(0x0A, 0x7B, 8) for mark in (0, 0x80))
"""How the tag of a message within a message may begin: fields 1 to 15, also spelled longer than needed."""
_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""Of JSON; also the last one where it does not end, so that it is looked at once."""
_BRACKETS: Final = b"{}[]"
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(_BRACKETS))
_PAYLOAD: Final = {1: 8, 5: 4}
"""By wire type, how many bytes a number of fixed size has."""


def guess(message: bytes, is_json: bool) -> int:
    """No fewer than there are, for the price of one look at each byte in C."""
    if is_json:
        return sum(map(message.count, (b"{", b"[", b",")))
    return len(message) - len(message.translate(None, _DELIMITED))


def weigh(message: bytes, is_json: bool) -> int:
    """How many elements there are. Raises TooLarge for more than MAX_ELEMENTS or MAX_NESTING, and BadBody."""
    guessed = guess(message, is_json)
    if is_json:
        return _weigh_json(message)
    if guessed > _MANY:
        _check(guessed, 0)
    return guessed if guessed <= _FEW else _weigh_protobuf(message)


def _check(elements: int, nesting: int) -> None:
    if elements > MAX_ELEMENTS:
        raise TooLarge(f"a body may have {MAX_ELEMENTS} elements")
    if nesting > MAX_NESTING:
        raise TooLarge(f"a body may nest {MAX_NESTING} deep")


def _weigh_json(message: bytes) -> int:
    bare = _STRINGS.sub(b"", message)
    elements = guess(bare, is_json=True)
    brackets = np.frombuffer(bare.translate(None, _NOT_BRACKETS), np.uint8)
    opens = (brackets == ord("{")) | (brackets == ord("["))
    depth = np.where(opens, 1, -1).cumsum(dtype=np.int32)
    _check(elements, int(depth.max(initial=0)))
    return elements


def _weigh_protobuf(message: bytes) -> int:
    """Walk all messages, without recursion and without keeping anything but where the outer ones end."""
    fields, end, position, elements = _messages(ExportMetricsServiceRequest.DESCRIPTOR), len(message), 0, 0
    outer: list[tuple[dict[int, Any], int]] = []
    while True:
        while position == end and outer:
            fields, end = outer.pop()
        if position == end:
            return elements
        tag, position = varint(message, position)
        elements += 1
        kind = tag & 7
        if kind == 2:
            length, position = varint(message, position)
            if tag >> 3 in fields:
                outer.append((fields, end))
                fields, end = _messages(fields[tag >> 3]), position + length
            else:
                position += length
        elif kind == 0:
            _, position = varint(message, position)
        elif kind in _PAYLOAD:
            position += _PAYLOAD[kind]
        else:
            raise BadBody(f"unknown protobuf wire type {kind}")
        if position > end or (outer and end > outer[-1][1]):
            raise BadBody("protobuf message is truncated")
        if elements > MAX_ELEMENTS or len(outer) > MAX_NESTING:
            _check(elements, len(outer))


@cache
def _messages(descriptor: Any) -> dict[int, Any]:
    """The fields of a message that hold messages, by number."""
    return {field.number: field.message_type for field in descriptor.fields if field.message_type is not None}
