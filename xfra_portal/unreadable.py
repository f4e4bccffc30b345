"""What cannot be read is refused with 400, at every door, in this one place.

Two halves. `check` looks at what every request of a person or a program brings (path, query, headers, cookies, form,
JSON) before anything else does, and refuses what nothing here can mean anything by. `IS_INPUTS_FAULT` names what
parsers and the database raise over what a sender wrote; wherever such an exception comes out, the sender is told,
nothing is done, and the log says where, since it may be a parser of ours that should have said it better.

The ingest doors read bodies of their own and answer in their protocols' words; Guard stands around those and around
the websockets.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from math import isfinite
from typing import Any, Final, NoReturn

from channels.security.websocket import WebsocketDenier
from django.core.exceptions import BadRequest
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError

logger = logging.getLogger("xfra.unreadable")

DEEPEST_JSON: Final = 32
MOST_JSON_VALUES: Final = 50_000
MOST_SIGN_IN_BYTES: Final = 64 * 1024
"""A passkey's answer is the largest that signing in takes, at some 4 KiB."""
MOST_QUERY_BYTES: Final = 8 * 1024
MOST_DIGITS: Final = 400
SIGN_IN: Final = "/_allauth/"
PROGRAMS: Final = ("/api/", SIGN_IN)
"""Where programs call: what comes there is JSON or a file, and so is the answer."""

IS_INPUTS_FAULT: Final = (
    RecursionError,
    UnicodeError,
    OverflowError,
    DataError,
    json.JSONDecodeError,
    csv.Error,
    MultiPartParserError,
    BadRequest,
)

Application = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class Unreadable(BadRequest, ValueError):
    """Its text says what cannot be read, and what would be."""


class ReadableMiddleware:
    """Refuses before anything is looked up what cannot be read, and afterwards what turned out so."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        check(request)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, BadRequest) or not isinstance(error, IS_INPUTS_FAULT):
            return None  # Django has its own way to handler400 for the former
        raise told(error, request.path) from error


def told(error: Exception, path: str) -> Unreadable:
    """The same for whoever sent it; what it was is logged, with where it came out."""
    logger.warning("%s: refused as unreadable after %s", path, type(error).__name__, exc_info=error)
    return Unreadable("Something in this request cannot be read, or is out of any range.")


class Guard:
    """Wraps an ASGI application: what it raises over its input is 400, or a handshake refused."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        has_begun = False

        async def watched(message: dict[str, Any]) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            _check_charset(scope)
            await self._inner(scope, receive, watched)
        except IS_INPUTS_FAULT as error:
            if has_begun:
                raise
            said = str(error if isinstance(error, Unreadable) else told(error, scope["path"])).encode()
            if scope["type"] == "websocket":
                await WebsocketDenier()(scope, receive, send)
                return
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(said))]
            await send({"type": "http.response.start", "status": 400, "headers": headers})
            await send({"type": "http.response.body", "body": said})


def _check_charset(scope: dict[str, Any]) -> None:
    """Python knows encodings of other things than text, and Django asks it for whichever a header names."""
    content_type = dict(scope["headers"]).get(b"content-type", b"").decode("latin-1").lower()
    _, is_given, charset = content_type.partition("charset=")
    if is_given and charset.partition(";")[0].strip("\"' ") not in ("utf-8", "utf8", "us-ascii", "ascii"):
        raise Unreadable("Bodies are read as UTF-8: send no other charset.")


def check(request: HttpRequest) -> None:
    """Raises Unreadable, or what Django itself refuses a request with."""
    if len(request.META.get("QUERY_STRING", "")) > MOST_QUERY_BYTES:
        raise Unreadable(f"The query is longer than {MOST_QUERY_BYTES} bytes.")
    _check_texts("The address", [request.path, *request.headers.values()])
    _check_texts("A cookie", request.COOKIES.values())
    _check_texts("The query", _flat(request.GET.lists()))
    if request.path.startswith(PROGRAMS):
        _check_body(request)
    elif request.method == "POST":
        _check_texts("The form", _flat(request.POST.lists()))


def _check_body(request: HttpRequest) -> None:
    body = request.body  # kept by the request: whoever parses it afterwards finds it there
    signs_in = request.path.startswith(SIGN_IN)
    if signs_in and len(body) > MOST_SIGN_IN_BYTES:
        raise Unreadable(f"A body for signing in has at most {MOST_SIGN_IN_BYTES} bytes.")
    is_json = request.content_type == "application/json" or signs_in
    if body and is_json and request.method not in ("GET", "HEAD", "OPTIONS"):
        read_json(body)


def read_json(body: bytes) -> Any:
    """A document as Python has it. Raises Unreadable for what is no JSON, and for what is more than anybody needs."""
    if body.count(b",") + body.count(b":") > MOST_JSON_VALUES:
        raise Unreadable(f"JSON of more than {MOST_JSON_VALUES:,} values is not taken.")
    try:
        found = json.loads(body, parse_constant=_refuse_constant, parse_int=_read_int, parse_float=_read_float)
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        why = f"nested deeper than {DEEPEST_JSON} levels" if isinstance(error, RecursionError) else str(error)[:120]
        raise Unreadable(f"This is no JSON: {why}.") from error
    _check_depth(found)
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise Unreadable(f"{name} is no JSON: leave the value out, or write null.")


def _read_int(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise Unreadable(f"A number has at most {MOST_DIGITS} digits.")
    return int(digits)


def _read_float(text: str) -> float:
    found = float(text)
    if not isfinite(found):
        raise Unreadable(f"{text[:20]} is beyond any number that is kept.")
    return found


def _check_depth(found: Any) -> None:
    """Level by level, so that no depth of it is a depth of ours."""
    level = [found]
    for _ in range(DEEPEST_JSON):
        _check_texts("The JSON", [value for value in level if isinstance(value, str)])
        inner = [value for value in level if isinstance(value, dict | list)]
        level = [each for value in inner for each in (_flat(value.items()) if isinstance(value, dict) else value)]
        if not level:
            return
    raise Unreadable(f"JSON is read up to {DEEPEST_JSON} levels deep.")


def _flat(pairs: Iterable[tuple[str, Any]]) -> list[Any]:
    """Names and values as one list; values of a form come as lists themselves."""
    return [each for name, value in pairs for each in (name, value)]


def _check_texts(where: str, texts: Iterable[Any]) -> None:
    for text in texts:
        if isinstance(text, list):
            _check_texts(where, text)
        elif "\x00" in text or not _is_encodable(text):
            raise Unreadable(f"{where} holds a character that no text has (U+0000, or half of a surrogate pair).")


def _is_encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
