"""Interval usage as CSV: the shapes that utilities offer for download, told apart by their column names.

Lines before a header (name, address, account) are skipped; only what they say of the unit, the commodity and the time
zone counts. Times are the home's local ones unless they say their offset. A file may have several sections, each with
a header of its own. Rows are never merged: what tells them apart is understood, or the file is refused.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import Final

from billing.greenbutton.csv_columns import MAX_COLUMNS, Context, header
from billing.greenbutton.csv_rows import Reader
from billing.greenbutton.csv_words import MAX_NAME
from billing.greenbutton.filed import MAX_INTERVALS, BadFile, Filed, check_size
from billing.greenbutton.packing import decoded

DELIMITERS: Final = (",", ";", "\t", "|")
HEADER_WITHIN: Final = 60
"""Lines before the first header at most."""
MAX_TEXT_LINES: Final = 20_000
"""Lines that are no data: titles of sections, totals, blank ones."""
_NO_HEADER: Final = ("no line names its columns", "have a line such as: date, start time, end time, usage (kWh)")


def read(body: bytes, zone: str) -> Filed:
    """One series for each meter and direction. Raises BadFile."""
    check_size(body)
    return read_text(decoded(body), zone)


def read_text(text: str, zone: str) -> Filed:
    delimiter = _delimiter(text)
    reader = Reader(zone, has_decimal_commas=delimiter == ";")
    context, columns, text_lines = Context(), None, 0
    for line, row in _rows(text, delimiter):
        found = None
        if columns is None or _may_be_text(row):
            found = header(row, line, context)
            text_lines += 1
            if text_lines > MAX_TEXT_LINES:
                raise BadFile(f"more than {MAX_TEXT_LINES} lines are no data", "send a shorter period at a time", line)
            if found is None:
                context.hear(row)
                continue
        if found is not None:
            columns = found
            reader.begin(columns, context)
            context = Context()
        elif columns is not None:
            reader.take(row, line)
    return reader.finished()


def _delimiter(text: str) -> str:
    """The one by which a line names columns."""
    for delimiter in DELIMITERS:
        for line, row in itertools.islice(_rows(text, delimiter), HEADER_WITHIN):
            if _is_header(row, line):
                return delimiter
    raise BadFile(*_NO_HEADER)


def _is_header(row: Sequence[str], line: int) -> bool:
    return header(row, line, Context(unit="kwh")) is not None


def _may_be_text(row: Sequence[str]) -> bool:
    """A line between sections: no digit in any cell, or one cell alone that begins with a letter."""
    cells = [cell.strip()[:MAX_NAME] for cell in row if cell.strip()]
    if not cells:
        return True
    if len(cells) == 1 or cells[0].lower().startswith(("total", "grand total", "subtotal")):
        return cells[0][0].isalpha()
    return not any(character.isdigit() for cell in cells for character in cell)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells), blank lines too. Raises BadFile beyond what a file may have."""
    reader = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)
    try:
        for count, row in enumerate(reader):
            if count > MAX_INTERVALS:
                raise BadFile(f"more than {MAX_INTERVALS} lines", "send a shorter period at a time")
            if len(row) > MAX_COLUMNS:
                raise BadFile(f"more than {MAX_COLUMNS} columns", "keep the columns of time and usage", reader.line_num)
            yield reader.line_num, row
    except csv.Error as error:
        raise BadFile(f"it is no CSV ({error})", "download it again", reader.line_num) from error
