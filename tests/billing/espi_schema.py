"""ESPI's schema, where it lies beside the checkout: it is not ours to copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lxml import etree


def folder() -> Path | None:
    root = Path(__file__).resolve().parents[2]
    found = (parent / "shared" / "data" / "espi-xsd" for parent in root.parents)
    return next((path for path in found if path.is_dir()), None)


needs_schema = pytest.mark.skipif(
    folder() is None, reason="there is no shared/data/espi-xsd beside the checkout to validate against"
)


class _Local(etree.Resolver):
    """Schemas name one another by addresses on the web; all of them lie in the folder."""

    def __init__(self, where: Path) -> None:
        self._where = where

    def resolve(self, url: str, public_id: Any, context: Any) -> Any:
        return self.resolve_filename(str(self._where / Path(url).name), context)


def schema() -> etree.XMLSchema:
    where = folder()
    assert where is not None
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Local(where))
    return etree.XMLSchema(etree.parse(str(where / "atom_espi.xsd"), parser))
