"""What a download is wrapped in: a ZIP with one file in it, and the encoding of its text. All by limits of its own."""

from __future__ import annotations

import codecs
import io
import struct
import zipfile
import zlib
from typing import Final

from billing.greenbutton.filed import MAX_BYTES, BadFile, check_size, named

MAX_DIRECTORY_BYTES: Final = 64 << 10
"""Of a ZIP's list of contents: some hundred files."""
_ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_READABLE: Final = (".csv", ".xml", ".txt")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def unpacked(body: bytes) -> bytes:
    """The one CSV or XML file of a ZIP; anything else as it is. Raises BadFile."""
    check_size(body)
    if not is_zip(body):
        return body
    _check_directory(body)
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            found = _read(archive, _one_member(archive))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        if isinstance(error, BadFile):
            raise
        raise BadFile("the ZIP cannot be opened", "unpack it, and send the CSV or XML file in it") from error
    check_size(found)
    return found


def is_zip(body: bytes) -> bool:
    return body.startswith((_ZIP, _EMPTY_ZIP))


def _check_directory(body: bytes) -> None:
    """A list of a hundred thousand files is not even read."""
    at = body.rfind(_EMPTY_ZIP)
    size = struct.unpack_from("<I", body, at + 12)[0] if 0 <= at <= len(body) - 16 else MAX_DIRECTORY_BYTES + 1
    if size > MAX_DIRECTORY_BYTES:
        raise BadFile("the ZIP holds too many files, or is cut off", "unpack it, and send the CSV or XML file in it")


def _one_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        one
        for one in archive.infolist()
        if one.filename.lower().endswith(_READABLE) and not one.filename.startswith("__MACOSX/")
    ]
    if len(members) != 1:
        held = f" ({named({one.filename for one in members})})" if members else ""
        raise BadFile(
            f"the ZIP holds {len(members) or 'no'} CSV or XML files{held}", "unpack it, and send one file at a time"
        )
    return members[0]


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """At most as much as a file may have, whatever the archive says of its size."""
    if member.flag_bits & 1:
        raise BadFile("the ZIP is locked with a password", "unpack it, and send the file in it")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadFile("the ZIP is packed in an unusual way", "unpack it, and send the file in it")
    with archive.open(member) as file:
        return file.read(MAX_BYTES + 1)


def decoded(body: bytes) -> str:
    """Text by its byte-order mark, else UTF-8, else Latin-1: only what is above a header may need the last."""
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return _by(body[len(mark) :], encoding)
    encoding = _unmarked_utf16(body)
    if encoding:
        return _by(body, encoding)
    if b"\0" in body:
        raise BadFile("it is no text", "save it as CSV, not as a workbook")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _unmarked_utf16(body: bytes) -> str:
    """UTF-16 that does not say so: every other byte of its beginning is 0."""
    start = body[:200]
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) >= 8 and not any(start[offset::2]):
            return encoding
    return ""


def _by(body: bytes, encoding: str) -> str:
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadFile(f"its mark says {encoding.upper()}, which it is not", "save it as CSV in UTF-8") from error


def is_xml(text: str) -> bool:
    return text[:1_000].lstrip("\ufeff \t\r\n").startswith("<")
