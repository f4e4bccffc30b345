"""What nobody means well by: pieces of requests that are broken, too large, too deep or of another kind, and how they
are put together. A seed gives the same requests again."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

TEXTS: Final = (
    *(
        "",
        " ",
        "\x00",
        "a\x00b",
        "\ud800",
        "%00",
        "%ff%fe",
        "null",
        "true",
        "-",
        ",,,,",
        ":",
        "[",
        "🙂",
        "\u202e",
        "²",
        "١٢",
    ),
    *("-1", "0", "2147483648", "9223372036854775808", "9" * 30, "9" * 5000, "nan", "Infinity", "1e999", "1.5", "0x10"),
    *("0001-01-01", "9999-12-31", "2026-02-30", "2026-13-01", "0000-00-00", "10000-01-01", "2026-10"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-03-08T02:30:00", "1969-12-31T00:00:00Z", "24:00"),
    *("-24h", "-999999999d", "-0s", "24h", "2026-W53", "1-1", "0001-01", "9999-12"),
    *("Australia/Lord_Howe", "Asia/Kolkata", "../UTC", "/etc/passwd", "../../../../etc/passwd"),
    *("http://[", "//[::", "http://localhost:99999999/", "javascript:alert(1)", "\r\nX-Evil: 1", "' OR 1=1 --"),
    *(
        "{{7*7}}",
        "a" * 300,
        "a" * 7000,
        "00000000-0000-4000-8000-000000000000",
        "x@y",
        "@",
        "x@" + "y" * 300 + ".example",
    ),
)
VALUES: Final = (
    *(None, True, [], {}, [[]], [None], {"": None}, -1, 0, 1.5, 1e308, -(2**63), 2**63, 10**30, 10**399),
    *TEXTS,
)
RAW: Final = tuple(
    piece if isinstance(piece, bytes) else piece.encode("utf-8", "surrogatepass")
    for piece in (
        *("", "{", "null", "[]", '"x"', "1", "NaN", '{"a":NaN}', '{"a":Infinity}', '{"a":-Infinity}', '{"a":1e999}'),
        *(
            "[" * 100_000,
            '{"a":' * 100_000,
            "[" * 60 + "]" * 60,
            '{"a":' * 60 + "1" + "}" * 60,
            "[" + "[]," * 60_000 + "0]",
        ),
        *('{"a":' + "9" * 5000 + "}", '{"a":"\\u0000"}', '{"a":"\\ud800"}', '{"\\u0000":1}', '{"\\ud800":1}', "\ud800"),
        *('{"a":1}' * 2, "\x00" * 9, "<a>&x;</a>", "start,end,usage\n" + "x" * 200_000 + ",1,2\n", '"' + "a" * 200_000),
        *(b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"\xc3\x28", b"PK\x03\x04" + bytes(40), b"\x1f\x8b" + bytes(40)),
        *(
            b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
            b"<" + b"a><" * 20_000,
            b"--x\r\n",
            bytes(70_000),
        ),
    )
)
QUERIES: Final = (
    *(
        "start",
        "end",
        "step",
        "metrics",
        "subjects",
        "format",
        "kind",
        "by",
        "of",
        "cursor",
        "page_size",
        "page",
        "range",
    ),
    *(
        "metric",
        "day",
        "stage",
        "state",
        "sort",
        "group",
        "q",
        "needs",
        "before",
        "after",
        "home",
        "next",
        "quantile",
        "k",
    ),
    *("function", "name", "site_group", "feeder", "key", "client", "code", "no_such_parameter", "", "a[b]"),
)
FIELDS: Final = (
    *("email", "login", "password", "oldpassword", "password1", "password2", "remember", "code", "credential", "phone"),
    *(
        "key",
        "name",
        "session_token",
        "refresh_token",
        "sessions",
        "authenticators",
        "id",
        "id_or_ids",
        "next",
        "action",
    ),
    *(
        "text",
        "line",
        "why",
        "accept",
        "items",
        "item",
        "take_back",
        "tariff",
        "start",
        "last",
        "end",
        "home",
        "number",
    ),
    *(
        "amount",
        "amount_cents",
        "import_kwh",
        "document",
        "utility",
        "valid_from",
        "note",
        "outcome",
        "reason",
        "until",
    ),
    *("file", "fee", "fee_cents", "credit_per_kwh", "internet", "internet_cents", "settlement", "utility_payer"),
    *("fixed_monthly", "is_primary", "primary", "verify", "passwordless", "reference", "csrfmiddlewaretoken"),
)
HEADERS: Final = (
    *("Accept", "Accept-Language", "Accept-Encoding", "Authorization", "X-Session-Token", "Idempotency-Key", "Cookie"),
    *("Origin", "Referer", "User-Agent", "Range", "If-None-Match", "If-Modified-Since", "X-Forwarded-For", "Host"),
    *(
        "X-CSRFToken",
        "X-Requested-With",
        "X-Forwarded-Host",
        "Content-Encoding",
        "Sec-Fetch-Site",
        "X-Email-Verification-Key",
    ),
)
HEADER_VALUES: Final = (
    *(
        "*/*;q=x",
        "text/csv",
        "application/pdf",
        "image/png",
        "a/b/c",
        ";;;",
        "Bearer",
        "Bearer a.b.c",
        "Bearer " + "x" * 9000,
    ),
    *(
        "Basic Og==",
        "sessionid=x",
        'sessionid="\\000\\000\\000\\000\\000\\000\\000\\000\\000"',
        "sessionid=" + "z" * 4000,
    ),
    *(
        "http://[",
        "null",
        "http://localhost:1",
        "https://evil.example",
        "localhost:8080",
        "evil.example",
        "[::1",
        "bytes=9-1",
    ),
    *(
        "99.99.99.99.99",
        "::1%x",
        "1.2.3.4, x",
        "Thu, 99 Foo 0000",
        "chunked",
        "gzip",
        "\xe4\xf6",
        "a" * 9000,
        "",
        "0" * 40,
    ),
)
TYPES: Final = (
    *("application/json", "application/json", ""),
    *("application/x-www-form-urlencoded", "text/csv", "garbage"),
    *("multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary=" + "x" * 300),
    *(
        "application/atom+xml",
        "application/octet-stream",
    ),
)
METHODS: Final = ("get", "get", "post", "post", "post", "put", "patch", "delete", "head", "options", "trace", "brew")


@dataclass
class Knock:
    """One request."""

    method: str
    path: str
    """Percent-encoded, with the query."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    media_type: str = ""


Address = Callable[[dict[str, str]], str]
"""An address with its placeholders filled, by other than their right values where some are given."""


def knock(dice: random.Random, template: str, right: dict[str, str]) -> Knock:
    """One request to an address with `<placeholders>`, of which mostly one or two things are wrong."""
    made = Knock(dice.choice(METHODS), _path(dice, template, right) + _query(dice))
    for _ in range(dice.choice((0, 0, 1, 2))):
        made.headers[dice.choice(HEADERS)] = dice.choice(HEADER_VALUES)
    if made.method not in ("get", "head", "trace"):
        made.media_type, made.body = _content(dice)
    return made


def _path(dice: random.Random, template: str, right: dict[str, str]) -> str:
    filled = template
    for name, value in right.items():
        given = value if dice.random() < 0.8 else dice.choice(TEXTS)
        filled = filled.replace(name, _encoded(given))
    if dice.random() < 0.05:
        filled += dice.choice(("%00", "/", "//", "%ff", "..%2f", "?%00", "%", "a" * 3000))
    return filled


def _query(dice: random.Random) -> str:
    if dice.random() < 0.4:
        return ""
    pairs = [(dice.choice(QUERIES), dice.choice(TEXTS)) for _ in range(dice.choice((1, 1, 2, 3)))]
    if dice.random() < 0.2:
        pairs.append(pairs[0])
    return "?" + "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)


def _encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def _content(dice: random.Random) -> tuple[str, bytes]:
    kind = dice.random()
    if kind < 0.35:
        return dice.choice(TYPES), dice.choice(RAW)
    fields = {name: dice.choice(VALUES) for name in dice.sample(FIELDS, dice.choice((1, 3, len(FIELDS))))}
    if kind < 0.7:
        return "application/json", json.dumps(fields).encode()
    pairs = [f"{name}={_encoded(str(value))}" for name, value in fields.items()]
    if kind < 0.85:
        return "application/x-www-form-urlencoded", "&".join(pairs).encode()
    return "multipart/form-data; boundary=x", _multipart(fields, dice.choice(RAW))


def _multipart(fields: dict[str, Any], file: bytes) -> bytes:
    parts: Sequence[tuple[str, bytes]] = [
        (f'name="{name}"', str(value).encode("utf-8", "surrogatepass")) for name, value in fields.items()
    ]
    parts = [*parts, ('name="file"; filename="a.csv"', file)]
    lines = [b"--x\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (head.encode(), body) for head, body in parts]
    return b"".join(lines) + b"--x--\r\n"
