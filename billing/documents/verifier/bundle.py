"""The bundle's files, and the findings that checking them brings."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

MOST_BYTES: Final = 64 * 1024 * 1024
"""Nothing in a bundle is nearly as large; what is larger is not one."""


class Unreadable(Exception):
    """This is no bundle, or a file of it is missing or no JSON."""


@dataclass(frozen=True)
class Bundle:
    files: Mapping[str, bytes]

    def bytes_of(self, name: str) -> bytes:
        if name not in self.files:
            raise Unreadable(f"{name} is missing")
        return self.files[name]

    def read(self, name: str) -> Any:
        """A file's JSON. Numbers with a point are exact fractions."""
        try:
            return json.loads(self.bytes_of(name), parse_float=Fraction)
        except ValueError as error:
            raise Unreadable(f"{name} is no JSON: {error}") from error


def open_bundle(path: Path) -> Bundle:
    """A zip file, or the folder that it was unpacked into."""
    try:
        if path.is_dir():
            found = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if file.is_file()}
            return Bundle({name: file.read_bytes() for name, file in found.items() if file.stat().st_size < MOST_BYTES})
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > MOST_BYTES:
                raise Unreadable(f"{path} is too large for a statement's bundle")
            return Bundle({name: archive.read(name) for name in archive.namelist()})
    except (OSError, zipfile.BadZipFile) as error:
        raise Unreadable(f"{path} cannot be opened: {error}") from error


def as_text(value: Any) -> str:
    """A value as people read it: a fraction as a decimal number where it is one."""
    if not isinstance(value, Fraction):
        return "nothing" if value is None else str(value)
    for decimals in range(40):
        scaled = value * 10**decimals
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(decimals + 1, "0")
            whole, rest = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
            return ("-" if value < 0 else "") + whole + (f".{rest}" if rest else "")
    return str(value)


@dataclass
class Findings:
    """What is not as it should be, each with its place in the bundle; and in what order it was looked for."""

    found: list[str] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, place: str, words: str) -> None:
        self.found.append(f"{place}: {words}")

    def compare(self, place: str, said: Any, made: Any, maker: str) -> None:
        """`said` is in the bundle, `made` follows from other parts of it. Numbers may be written as text."""
        if not is_same(said, made):
            self.add(place, f"the bundle says {as_text(said)}, {maker} {as_text(made)}")

    def compare_rows(self, place: str, said: Sequence[Any], made: Sequence[Mapping[str, Any]], maker: str) -> None:
        """Lists of records: field by field, then whether there are as many."""
        for index, (old, new) in enumerate(zip(said, made, strict=False)):
            for name, value in new.items():
                self.compare(f"{place}[{index}].{name}", old[name], value, maker)
        if len(said) != len(made):
            self.add(place, f"the bundle has {len(said)}, {maker} {len(made)}")


def is_same(said: Any, made: Any) -> bool:
    if isinstance(made, Fraction) and isinstance(said, str | int | Fraction) and not isinstance(said, bool):
        try:
            return Fraction(said) == made
        except ValueError:
            return False
    return bool(said == made) and isinstance(said, bool) == isinstance(made, bool)
