"""The table of budgets (budgets.py) is whole: whoever reads foreign bytes is in it, with limits that are there."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.access.budgets import DOORS, OURS, READERS, Doors, Reader
from tests.access.test_walk import EVERY_DOOR

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("homes", "telemetry", "billing", "xfra_portal")
NOT_SERVED: Final = ("migrations", "local", "simulator", "management")
"""Folders of what runs at a developer's or an operator's own hands."""
OPENS: Final = {
    "json.loads", "json.load", "orjson.loads", "csv.reader", "csv.DictReader", "pickle.loads", "pickle.load",
    "zipfile.ZipFile", "zlib.decompress", "zlib.decompressobj", "gzip.decompress", "gzip.open", "marshal.loads",
    "request.body", "ET.fromstring", "ElementTree.fromstring", "ElementTree.XMLPullParser", "ElementTree.iterparse",
    "etree.fromstring", "etree.iterparse", "expat.ParserCreate", "base64.b64decode", "yaml.safe_load",
}  # fmt: skip
"""Calls, and names that are read, which begin to make something of bytes."""
ENDS: Final = ("ParseFromString", "MergeFromString", "FromString", "decompress", "decompress_into", "decompress_raw",
               "decompress_raw_into", "XMLParser", "XMLPullParser", "ParserCreate", "iterparse")  # fmt: skip


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _opened(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = _dotted(node)
            if name in OPENS or node.attr in ENDS:
                yield name
        elif isinstance(node, ast.Await) and isinstance(node.value, ast.Call) and _dotted(node.value.func) == "receive":
            yield "await receive()"


def _modules() -> dict[str, list[str]]:
    """Every served module that opens bytes, with what it calls for that."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            parts = file.relative_to(ROOT).with_suffix("").parts
            if not set(parts) & set(NOT_SERVED) and (opened := sorted(set(_opened(ast.parse(file.read_text()))))):
                found[".".join(parts)] = opened
    return found


def test_whoever_opens_bytes_is_in_the_table() -> None:
    known = {reader.module for reader in READERS} | OURS.keys()
    unknown = {module: opened for module, opened in _modules().items() if module not in known}
    assert not unknown, "say in tests/access/budgets.py whose bytes these modules open, and within which limits"


def test_whoever_is_in_the_table_is_there() -> None:
    """An entry that nothing stands behind any more would hide the next one."""
    for module in [reader.module for reader in READERS] + list(OURS):
        assert importlib.util.find_spec(module), module
    assert not OURS.keys() & {reader.module for reader in READERS}


@pytest.mark.parametrize("row", [*READERS, *DOORS], ids=lambda row: getattr(row, "module", None) or row.begins[0])
def test_limits_are_numbers_and_attacks_are_tests(row: Reader | Doors) -> None:
    assert row.limits and row.charged and row.attacked_by
    for limit in row.limits:
        module, _, name = limit.rpartition(".")
        assert getattr(importlib.import_module(module), name) > 0, limit
    for attack in row.attacked_by:
        file, _, name = attack.partition("::")
        tests = [one.name for one in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(one, ast.FunctionDef)]
        assert name in tests, attack


READ_ONLY: Final = re.compile(r"/|/healthz|/readyz|/\.well-known/.+|/\^api\(/\|\$\)")
"""Addresses outside the families: they take no body."""


def test_every_door_belongs_to_a_family() -> None:
    begins = [begin for doors in DOORS for begin in doors.begins]
    lost = [
        address
        for address in EVERY_DOOR.values()
        if not address.startswith(tuple(begins)) and not READ_ONLY.fullmatch(address)
    ]
    assert not lost, "say in tests/access/budgets.py what these doors take and who pays for it"


@pytest.mark.parametrize(
    "source",
    [
        "import json\njson.loads(body)",
        "import csv\nrows = csv.reader(text)",
        "import cramjam\ncramjam.brotli.decompress(body)",
        "async def read(receive):\n    await receive()",
    ],
)
def test_a_new_reader_is_seen(source: str) -> None:
    assert list(_opened(ast.parse(source)))
