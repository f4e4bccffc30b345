"""The registers around a local day's quarter-hours as one body: what a day's readings are made of, kept as sent."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import cramjam
import numpy as np

from billing.intervals.edges import Edges

_MAGIC: Final = b"XRE1"
_HEAD: Final = struct.Struct("<4sqHB")
"""magic, Unix second of the first boundary, boundaries, channels"""
_STEP: Final = 900
_SIDES: Final = (
    ("before_ms", "<i8"),
    ("before_joules", "<f8"),
    ("before_slack_ms", "<i8"),
    ("after_ms", "<i8"),
    ("after_joules", "<f8"),
    ("after_slack_ms", "<i8"),
)

Evidence = Mapping[str, Edges]
"""Edges by channel, all of the same boundaries; a channel without any reading is not there."""


def pack(evidence: Evidence) -> bytes:
    """The same registers give the same body."""
    some = {channel: _canonical(edges) for channel, edges in sorted(evidence.items()) if is_heard(edges)}
    at = next(iter(evidence.values())).at
    parts = [_HEAD.pack(_MAGIC, int(at[0]), len(at), len(some))]
    for channel in some:
        name = channel.encode()
        parts += [bytes([len(name)]), name]
    planes = [getattr(edges, name).astype(dtype).tobytes() for edges in some.values() for name, dtype in _SIDES]
    parts.append(bytes(cramjam.zstd.compress(b"".join(planes), level=6)))
    return b"".join(parts)


def unpack(body: bytes) -> dict[str, Edges]:
    """Raises ValueError for a body that `pack` did not make."""
    try:
        return _unpack(body)
    except (struct.error, IndexError, UnicodeDecodeError, cramjam.DecompressionError) as error:
        raise ValueError("not evidence") from error


def _unpack(body: bytes) -> dict[str, Edges]:
    magic, first, count, channels = _HEAD.unpack_from(body)
    if magic != _MAGIC:
        raise ValueError("not evidence: wrong magic")
    position, names = _HEAD.size, []
    for _ in range(channels):
        size = body[position]
        names.append(body[position + 1 : position + 1 + size].decode())
        position += 1 + size
    planes = bytes(cramjam.zstd.decompress(body[position:]))
    if len(planes) != channels * len(_SIDES) * count * 8:
        raise ValueError("not evidence: wrong size")
    at = first + np.arange(count, dtype=np.int64) * _STEP
    found = {}
    for i, name in enumerate(names):
        fields = {}
        for j, (side, dtype) in enumerate(_SIDES):
            offset = (i * len(_SIDES) + j) * count * 8
            fields[side] = np.frombuffer(planes, dtype, count, offset).astype(dtype[1:])
        found[name] = Edges(at, **fields)
    return found


def joined(one: Evidence, other: Evidence) -> dict[str, Edges]:
    """Whatever either knows; of two readings the nearer."""
    out = dict(one)
    for channel, edges in other.items():
        out[channel] = out[channel].joined(edges) if channel in out else edges
    return out


def continued(evidence: Evidence, day_before: Evidence, day_after: Evidence) -> dict[str, Edges]:
    """A day with what is known at its midnights from the days beside it.

    So the days that a long gap touches know its ends equally well, though telemetry has forgotten the samples there.
    """
    out = dict(evidence)
    for channel, edges in evidence.items():
        if channel in day_before:
            out[channel] = out[channel].joined(_only_before(day_before[channel], edges))
        if channel in day_after:
            out[channel] = out[channel].joined(_only_after(day_after[channel], edges))
    return out


def _only_before(past: Edges, edges: Edges) -> Edges:
    """The reading before the past day's last boundary, as one before each boundary from there on."""
    size = len(edges.at)
    there = np.where(edges.at >= past.at[-1], past.before_joules[-1], np.nan)
    return replace(
        _nothing(edges),
        before_ms=np.full(size, past.before_ms[-1]),
        before_joules=there,
        before_slack_ms=np.full(size, past.before_slack_ms[-1]),
    )


def _only_after(coming: Edges, edges: Edges) -> Edges:
    """The reading at or after the coming day's first boundary, as one after each boundary up to there."""
    size, first = len(edges.at), coming.at[0]
    is_fresh = bool(coming.is_fresh[0]) and int(coming.before_ms[0]) == int(first) * 1000
    ms, joules, slack = (
        (coming.before_ms[0], coming.before_joules[0], 0)
        if is_fresh
        else (coming.after_ms[0], coming.after_joules[0], coming.after_slack_ms[0])
    )
    return replace(
        _nothing(edges),
        after_ms=np.full(size, ms),
        after_joules=np.where(edges.at <= first, joules, np.nan),
        after_slack_ms=np.full(size, slack),
    )


def _nothing(edges: Edges) -> Edges:
    numbers, values = np.zeros(len(edges.at), np.int64), np.full(len(edges.at), np.nan)
    return Edges(edges.at, numbers, values, numbers, numbers, values, numbers)


def is_heard(edges: Edges) -> bool:
    """Whether there is any reading at all."""
    return not bool((np.isnan(edges.before_joules) & np.isnan(edges.after_joules)).all())


def _canonical(edges: Edges) -> Edges:
    """Without what decides nothing: what comes after a boundary whose own reading is there, and absent instants."""
    after = edges.is_fresh | np.isnan(edges.after_joules)
    before = np.isnan(edges.before_joules)
    return replace(
        edges,
        before_ms=np.where(before, 0, edges.before_ms),
        before_slack_ms=np.where(before, 0, edges.before_slack_ms),
        after_ms=np.where(after, 0, edges.after_ms),
        after_joules=np.where(after, np.nan, edges.after_joules),
        after_slack_ms=np.where(after, 0, edges.after_slack_ms),
    )
