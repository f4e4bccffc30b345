"""verify_statement.py: the verifier's parts as one file, which needs nothing but Python's own library.

The parts are modules here so that each is short, typed and tested; a stranger gets one file to read from top to bottom.
They import nothing of the portal but each other, which import-linter keeps so.
"""

from __future__ import annotations

import ast
from functools import cache
from importlib import resources
from typing import Final

PARTS: Final = (
    "exact",
    "clock",
    "tariff",
    "energy",
    "rating",
    "settling",
    "ed25519",
    "bundle",
    "sources",
    "checks",
    "command",
)
"""In an order in which each needs only what stands before it."""

_HEAD: Final = '''#!/usr/bin/env python3
"""Recomputes a statement from its proof bundle, to the cent, and says what differs.

    python3 verify_statement.py [bundle.zip or the folder it was unpacked into] [--heads heads.json]

Python 3.11 or later, nothing to install. It ends with 0 if everything is right, with 1 if something is not, and with 2
if there is no bundle to read. From top to bottom: exact numbers, the calendar, the tariff, energy, the whole bill, the
statement's lines, signatures, and then the checks themselves.
"""

from __future__ import annotations
'''
_FOOT: Final = '\n\nif __name__ == "__main__":\n    raise SystemExit(main(sys.argv[1:]))\n'
_PACKAGE: Final = "billing.documents.verifier"


@cache
def source() -> str:
    """The text of verify_statement.py."""
    plain: set[str] = set()
    named: dict[str, set[str]] = {}
    bodies = []
    for part in PARTS:
        text = resources.files(_PACKAGE).joinpath(f"{part}.py").read_text(encoding="utf-8")
        bodies.append(_body(text, plain, named))
    lines = [f"import {module}" for module in sorted(plain)]
    lines += [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(named.items())]
    return _HEAD + "\n" + "\n".join(lines) + "\n" + "".join(bodies) + _FOOT


def _body(text: str, plain: set[str], named: dict[str, set[str]]) -> str:
    """A part without its imports, under its docstring as a heading. What it imports is added to the two collections."""
    tree = ast.parse(text)
    docstring = ast.get_docstring(tree) or ""
    last_line = 0
    for node in tree.body:
        if isinstance(node, ast.Import):
            plain.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module != "__future__" and not module.startswith(_PACKAGE):
                named.setdefault(module, set()).update(name.name for name in node.names)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or last_line:
            break
        last_line = node.end_lineno or last_line
    heading = "\n".join(f"# {line}".rstrip() for line in docstring.splitlines())
    rest = "\n".join(text.splitlines()[last_line:]).strip("\n")
    return f"\n\n# {'-' * 118}\n{heading}\n\n\n{rest}\n"
