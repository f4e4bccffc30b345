"""Ed25519 signatures, verified as RFC 8032 says (section 5.1.7), with nothing but whole numbers."""

from __future__ import annotations

import hashlib
from typing import Final

FIELD: Final = 2**255 - 19
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
CURVE_D: Final = -121665 * pow(121666, -1, FIELD) % FIELD
ROOT_OF_MINUS_ONE: Final = pow(2, (FIELD - 1) // 4, FIELD)

Point = tuple[int, int, int, int]
"""X, Y, Z, T of a point with x = X/Z, y = Y/Z and x y = T/Z."""


def point_at(encoded: bytes) -> Point | None:
    """The point whose y and sign of x these 32 bytes are; None if there is none."""
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if len(encoded) != 32 or y >= FIELD:
        return None
    square = (y * y - 1) * pow(CURVE_D * y * y + 1, -1, FIELD) % FIELD
    x = pow(square, (FIELD + 3) // 8, FIELD)
    if (x * x - square) % FIELD:
        x = x * ROOT_OF_MINUS_ONE % FIELD
    if (x * x - square) % FIELD or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = FIELD - x
    return x, y, 1, x * y % FIELD


def add_points(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % FIELD, (p[1] + p[0]) * (q[1] + q[0]) % FIELD
    c, d = 2 * p[3] * q[3] * CURVE_D % FIELD, 2 * p[2] * q[2] % FIELD
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % FIELD, g * h % FIELD, f * g % FIELD, e * h % FIELD


def times(scalar: int, point: Point) -> Point:
    found: Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            found = add_points(found, point)
        point = add_points(point, point)
        scalar >>= 1
    return found


def is_signed_by(public_key: bytes, signature: bytes, message: bytes) -> bool:
    base = point_at((4 * pow(5, -1, FIELD) % FIELD).to_bytes(32, "little"))
    key, commitment = point_at(public_key), point_at(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if base is None or key is None or commitment is None or len(signature) != 64 or scalar >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    left, right = times(scalar, base), add_points(commitment, times(challenge, key))
    return not ((left[0] * right[2] - right[0] * left[2]) % FIELD or (left[1] * right[2] - right[1] * left[2]) % FIELD)
