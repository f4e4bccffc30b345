"""The files of an issued statement: what there is of it, for whom, and their bytes. Pages and API offer the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from billing import green_button_files
from billing.documents import bundle
from billing.documents.content import content_of
from billing.documents.pdf import statement_pdf
from billing.documents.tables import lines_csv
from billing.models import Statement


@dataclass(frozen=True, slots=True)
class Kind:
    """`make` works on behalf of the reader: the agreement is in a file only for who may see it."""

    words: str
    what: str
    media_type: str
    name: str
    make: Callable[[Statement], bytes]
    needs_agreement: bool = False


KINDS: Final[Mapping[str, Kind]] = {
    "pdf": Kind(
        "PDF",
        "to read, to print, to keep",
        "application/pdf",
        "statement-{number}.pdf",
        lambda statement: statement_pdf(content_of(statement)),
    ),
    "csv": Kind(
        "CSV",
        "its lines, for a spreadsheet",
        "text/csv",
        "statement-{number}.csv",
        lambda statement: lines_csv(content_of(statement)).encode(),
    ),
    "green-button": Kind(
        "Green Button",
        "every quarter-hour, as utilities give it",
        "application/atom+xml",
        "statement-{number}-green-button.xml",
        green_button_files.of_statement,
    ),
    "bundle": Kind(
        "Proof bundle",
        "everything behind it, and a program that checks it",
        "application/zip",
        "statement-{number}-proof.zip",
        bundle.bundle,
        needs_agreement=True,
    ),
}
"""By the name in their address. The bundle holds the agreement: only who may see that may have it."""


def offered(shows_agreement: bool) -> dict[str, Kind]:
    return {name: kind for name, kind in KINDS.items() if shows_agreement or not kind.needs_agreement}
