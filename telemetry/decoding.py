"""From the bytes of a body to its series, whatever its form and compression. Pure: it is done here or in a child.

What it costs is told besides, also of a body that is refused, so that whoever sent it can be charged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from telemetry import otlp, otlp_weight, remote_write, remote_write_v2
from telemetry.compression import Encoding, open_body
from telemetry.gathering import Gathered, gather
from telemetry.remote_write import BadBody, RawSeries, Room, TooLarge

MAX_OTLP_BYTES: Final = 16 << 20
"""Decompressed. Objects of protobuf and JSON take many times the room of their bytes, unlike remote-write's arrays."""


class Form(StrEnum):
    """What the message of a body is."""

    REMOTE_WRITE_1 = "remote-write 1.0"
    REMOTE_WRITE_2 = "remote-write 2.0"
    OTLP_PROTOBUF = "OTLP protobuf"
    OTLP_JSON = "OTLP JSON"

    @property
    def most_bytes(self) -> int:
        """Decompressed."""
        is_otlp = self in (Form.OTLP_PROTOBUF, Form.OTLP_JSON)
        return MAX_OTLP_BYTES if is_otlp else remote_write.MAX_DECOMPRESSED_BYTES


@dataclass(slots=True)
class Decoded:
    """What became of a body, and what that took: bytes of its message, and elements of any kind in it."""

    message_bytes: int = 0
    elements: int = 0
    found: Gathered | None = None
    rejected: Counter[str] = field(default_factory=Counter)
    """Data points of OTLP that are not kept, by reason."""
    error: BadBody | TooLarge | None = None


def decode(form: Form, encoding: Encoding, body: bytes) -> Decoded:
    """A body that cannot be read is told as `error`."""
    out = Decoded()
    try:
        message = open_body(encoding, body, form.most_bytes)
        out.message_bytes = len(message)
        _read(form, message, out)
    except (BadBody, TooLarge) as error:
        error.__traceback__ = None
        out.error = error
        out.message_bytes = out.message_bytes or (form.most_bytes if isinstance(error, TooLarge) else 0)
    return out


def decode_apart(form: Form, encoding: Encoding, body: bytes) -> Decoded:
    """The same where there is time: labels are looked at too."""
    out = decode(form, encoding, body)
    if out.found is not None:
        out.found.understand()
    return out


def _read(form: Form, message: bytes, out: Decoded) -> None:
    if form in (Form.OTLP_PROTOBUF, Form.OTLP_JSON):
        is_json = form is Form.OTLP_JSON
        out.elements = otlp_weight.MAX_ELEMENTS  # as long as nobody knows
        out.elements = otlp_weight.weigh(message, is_json)
        translated = otlp.translate(otlp.parse(message, is_json))
        out.found, out.rejected = gather(translated.series), translated.rejected
        return
    room = Room(remote_write.MAX_ELEMENTS_PER_BODY, remote_write.MAX_SAMPLES_PER_BODY)
    try:
        out.found = gather(_walk(form, message, room))
    finally:
        out.elements = remote_write.MAX_ELEMENTS_PER_BODY - room.elements


def _walk(form: Form, message: bytes, room: Room) -> Iterator[RawSeries]:
    if form is Form.REMOTE_WRITE_2:
        return remote_write_v2.walk(message, room)
    return remote_write.walk(message, room)
