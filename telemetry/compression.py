"""Compressed bodies, opened within bounds that are known before anything is allocated. Pure.

Sources: the snappy block format, RFC 1952 (gzip), RFC 8878 (zstd).
"""

from __future__ import annotations

import zlib
from enum import StrEnum
from typing import Final

import cramjam

from telemetry.remote_write import BadBody, TooLarge, declared_size, decompress, decompress_into

MAX_GZIP_MEMBERS: Final = 1024
"""Compressors that work in parallel make a member of each 64 KiB or more."""
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""No snappy block begins so: it would copy what was not there yet."""
_SPREAD_GZIP: Final = 1 << 16
"""How many compressed bytes are looked at together, so that a member's end costs no copy of all that follows."""
_NO_ROOM: Final = "failed to write whole buffer"
_ZSTD_SIZES: Final = {0: 0, 1: 2, 2: 4, 3: 8}
"""By its flag, how many bytes the content size of a frame has."""


class Encoding(StrEnum):
    """Of a body."""

    IDENTITY = "identity"
    SNAPPY = "snappy"
    GZIP = "gzip"
    ZSTD = "zstd"


def told_size(encoding: Encoding, body: bytes) -> int | None:
    """How long the message says it is: a claim, checked against what is possible. None where nothing is said.

    Raises BadBody or TooLarge.
    """
    if encoding is Encoding.IDENTITY:
        return len(body)
    if encoding is Encoding.SNAPPY:
        return declared_size(body)
    return _zstd_size(body) if encoding is Encoding.ZSTD else None


def open_body(encoding: Encoding, body: bytes, most_bytes: int) -> bytes:
    """The whole message of a body. Raises BadBody, or TooLarge for more than `most_bytes`."""
    if encoding is Encoding.SNAPPY:
        if declared_size(body) > most_bytes:
            raise _too_large(most_bytes)
        return decompress(body)
    if encoding is Encoding.GZIP:
        return _gunzip(body, most_bytes)
    if encoding is Encoding.ZSTD:
        return _unzstd(body, most_bytes)
    if len(body) > most_bytes:
        raise _too_large(most_bytes)
    return body


def open_into(encoding: Encoding, body: bytes, memory: bytearray) -> int | None:
    """The message of a snappy or zstd body to the beginning of memory; its length, or None where it does not fit.

    Raises BadBody.
    """
    if encoding is Encoding.SNAPPY:
        return decompress_into(body, memory)
    try:
        return int(cramjam.zstd.decompress_into(body, memory))
    except cramjam.DecompressionError as error:
        if _NO_ROOM in str(error):
            return None
        raise BadBody("body is not zstd") from None


def _too_large(most_bytes: int) -> TooLarge:
    return TooLarge(f"a body may have {most_bytes} bytes decompressed")


def _gunzip(body: bytes, most_bytes: int) -> bytes:
    """All members of a gzip stream, and nothing after them."""
    found, position = bytearray(), 0
    for _ in range(MAX_GZIP_MEMBERS):
        position = _member(body, position, found, most_bytes)
        if position == len(body):
            return bytes(found)
    raise TooLarge(f"gzip of more than {MAX_GZIP_MEMBERS} members")


def _member(body: bytes, position: int, found: bytearray, most_bytes: int) -> int:
    """Open the member that begins at a position; where it ends."""
    inflate, begin = zlib.decompressobj(wbits=31), position
    try:
        while not inflate.eof:
            data = inflate.unconsumed_tail or body[position : position + _SPREAD_GZIP]
            if not data:
                raise BadBody("the gzip stream is truncated")
            position += 0 if inflate.unconsumed_tail else len(data)
            found += inflate.decompress(data, most_bytes + 1 - len(found))
            if len(found) > most_bytes:
                raise _too_large(most_bytes)
    except zlib.error:
        words = "body is not gzip" if begin == 0 else "the body goes on after the end of its gzip stream"
        raise BadBody(words) from None
    return position - len(inflate.unused_data)


def _unzstd(body: bytes, most_bytes: int) -> bytes:
    """All frames, whether or not they say how long they are. Of the memory, no more is touched than is filled."""
    if (_zstd_size(body) or 0) > most_bytes:
        raise _too_large(most_bytes)
    room = bytearray(most_bytes)
    try:
        size = int(cramjam.zstd.decompress_into(body, room))
    except cramjam.DecompressionError as error:
        if _NO_ROOM in str(error):
            raise _too_large(most_bytes) from None
        raise BadBody("body is not zstd") from None
    return bytes(memoryview(room)[:size])


def _zstd_size(body: bytes) -> int | None:
    """What the header of a frame says. Raises BadBody."""
    if body[:4] != ZSTD_MAGIC or len(body) < 6:
        raise BadBody("body is not zstd")
    descriptor = body[4]
    is_single, dictionary = descriptor >> 5 & 1, (0, 1, 2, 4)[descriptor & 3]
    size = _ZSTD_SIZES[descriptor >> 6] or is_single
    if not size:
        return None
    begin = 5 + (1 - is_single) + dictionary
    return int.from_bytes(body[begin : begin + size], "little") + (256 if size == 2 else 0)
