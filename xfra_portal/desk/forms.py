"""The desk's forms: what each field takes, and what it says when it got something else."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from django import forms

from billing.models import Statement, Tariff
from billing.tariffs import start_of
from homes.models import Home
from xfra_portal.unreadable import Unreadable, read_json

_DOLLARS: Final = re.compile(r"-?\$?\d{1,3}(,?\d{3})*(\.\d{1,2})?", re.ASCII)
MOST_CENTS: Final = 100_000_000
MOST_DOLLARS_LENGTH: Final = 20
"""Characters of an amount, before any of it is read."""
MOST_FILE_BYTES: Final = 8 * 2**20
MOST_TARIFF_BYTES: Final = 400_000
"""Of a tariff document, as a file or as text: the largest of URDB have a quarter of it."""


class DeskForm(forms.Form):
    """Fields that say what is allowed beside them, and again when something else was written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})

    @property
    def first_error(self) -> str:
        return next((str(messages[0]) for messages in self.errors.values() if messages), "")


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%Y-%m-%d", **kwargs)


def day(label: str, help_text: str = "", *, required: bool = True) -> forms.DateField:
    messages = {"required": "Choose a day.", "invalid": "Write a day as 2026-10-01."}
    return forms.DateField(
        label=label, help_text=help_text, required=required, widget=DateInput(), error_messages=messages
    )


class DollarsField(forms.CharField):
    """Dollars as people write them, in whole cents."""

    def __init__(self, *, least: int = 0, **kwargs: Any) -> None:
        self.least = least
        super().__init__(
            max_length=MOST_DOLLARS_LENGTH,
            widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
            **kwargs,
        )

    def clean(self, value: Any) -> Any:
        text = str(super().clean(value)).strip()
        if not text:
            return None
        if not _DOLLARS.fullmatch(text):
            raise forms.ValidationError("Write dollars and cents, as 812.44.")
        cents = int(Decimal(text.replace("$", "").replace(",", "")) * 100)
        if not self.least <= cents <= MOST_CENTS:
            raise forms.ValidationError(f"Between ${self.least / 100:,.2f} and ${MOST_CENTS / 100:,.2f} is allowed.")
        return cents


class ReasonForm(DeskForm):
    """Why something is done. It is kept, and of a correction the host reads it."""

    why = forms.CharField(
        label="Why",
        min_length=5,
        max_length=300,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Say why: the reason is kept.",
            "min_length": "Say why in a few words: 5 characters at least.",
            "max_length": "Say why in at most 300 characters.",
        },
    )


class AnswerForm(DeskForm):
    """An answer to a host. It is given once and does not change."""

    text = forms.CharField(
        label="Answer",
        min_length=3,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Write an answer.", "max_length": "Write at most 2,000 characters."},
    )


class AssignForm(DeskForm):
    """Which tariff bills a home from when."""

    tariff = forms.ModelChoiceField(
        Tariff.objects.filter(versions__published_at__isnull=False).distinct(),
        label="Tariff",
        empty_label="choose",
        help_text="Lines with a published version.",
        error_messages={"required": "Choose a tariff.", "invalid_choice": "Choose one of the published tariffs."},
    )
    start = day("First day", "What billed the home until then ends the day before.")


class ReadingsFileForm(DeskForm):
    """A utility's file of quarter-hours."""

    file = forms.FileField(
        label="The utility's file",
        help_text="Green Button XML, or CSV with start, end and usage, or a ZIP with one of them.",
        error_messages={"required": "Choose a file.", "empty": "The file is empty."},
    )
    meter = forms.CharField(
        label="Meter",
        required=False,
        max_length=200,
        help_text="Only where the file holds several: its name there.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MOST_FILE_BYTES:
            raise forms.ValidationError(f"A file of at most {MOST_FILE_BYTES // 2**20} MiB is allowed.")
        return file


class TariffForm(DeskForm):
    """A tariff document: a file or its text."""

    file = forms.FileField(label="URDB JSON file", required=False, help_text="As OpenEI gives it, with our own fields.")
    text = forms.CharField(
        label="Or its text",
        required=False,
        max_length=MOST_TARIFF_BYTES,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
    )
    utility = forms.CharField(label="Utility", required=False, max_length=80, help_text="Empty: the document's.")
    name = forms.CharField(label="Name", required=False, max_length=120, help_text="Empty: the document's.")
    valid_from = day("In force from", "Empty: the document's startdate.", required=False)
    note = forms.CharField(label="Note", required=False, max_length=200, help_text="Where it is from.")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file and file.size > MOST_TARIFF_BYTES:
            raise forms.ValidationError(f"A document of at most {MOST_TARIFF_BYTES:,} bytes is allowed.")
        return file

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if self.errors:
            return found
        file, text = found.get("file"), found.get("text")
        if bool(file) == bool(text):
            self.add_error("file", "Give either a file or its text.")
            return found
        document = self._document(file.read() if file else (text or "").encode(), "file" if file else "text")
        if document is None:
            return found
        found["document"] = document
        for name, length in (("utility", 80), ("name", 120)):
            found[name] = found.get(name) or str(document.get(name) or "")[:length]
            if not found[name]:
                self.add_error(name, f"The document names no {name}: write one.")
        found["valid_from"] = found.get("valid_from") or self._start(document)
        return found

    def _document(self, body: bytes, field: str) -> dict[str, Any] | None:
        try:
            document = read_json(body)
        except Unreadable as error:
            self.add_error(field, str(error))
            return None
        if isinstance(document, dict) and isinstance(document.get("items"), list) and len(document["items"]) == 1:
            document = document["items"][0]  # as URDB's own API answers
        if not isinstance(document, dict):
            self.add_error(field, "One tariff is needed: a JSON object, or URDB's answer with one item.")
            return None
        return document

    def _start(self, document: dict[str, Any]) -> date | None:
        found = start_of(document)
        if found is None:
            self.add_error("valid_from", "The document has no startdate like 2026-04-01: choose a day.")
        return found


class UtilityBillForm(DeskForm):
    """A bill as the utility wrote it."""

    home = forms.ModelChoiceField(
        Home.objects.none(),
        label="Home",
        empty_label="choose",
        error_messages={"required": "Choose the home.", "invalid_choice": "Choose one of the homes."},
    )
    number = forms.CharField(
        label="Bill number", max_length=60, error_messages={"required": "Write the number that is on the bill."}
    )
    start = day("First day")
    last = day("Last day", "Included. The days must be those of an issued statement.")
    amount = DollarsField(
        label="Amount", help_text="What the utility asks for, as 812.44; may be below 0 for a credit.",
        least=-MOST_CENTS, error_messages={"required": "Write what the utility asks for, as 812.44."},
    )  # fmt: skip
    import_kwh = forms.DecimalField(
        label="Bought, kWh",
        required=False,
        min_value=Decimal(0),
        max_value=Decimal(1_000_000),
        decimal_places=3,
        help_text="If the bill says; at most three decimals.",
        error_messages={
            "invalid": "Write kWh, as 9123.456.",
            "max_decimal_places": "At most three decimals: a bill counts no less than a watt-hour.",
            "min_value": "Not below 0: what was sold is not part of this.",
            "max_value": "At most 1,000,000 kWh is allowed.",
        },
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )

    def __init__(self, homes: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["home"].queryset = homes.order_by("name")  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        start, last, home = found.get("start"), found.get("last"), found.get("home")
        kwh = found.get("import_kwh")
        found["import_wh"] = None if kwh is None else int(kwh * 1000)
        if start and last and last < start:
            self.add_error("last", f"Not before the first day, {start}.")
        elif start and last and home:
            self._check_days(home, start, last)
        if home and found.get("number") and home.utility_bills.filter(number=found["number"]).exists():
            self.add_error("number", "This bill was entered before: see the list.")
        return found

    def _check_days(self, home: Home, start: date, last: date) -> None:
        """The days must be those of an issued statement; which those are is said."""
        issued = Statement.objects.issued().current().filter(home=home)
        days = issued.order_by("-period__start").values_list("period__start", "period__end")
        allowed = [(begin, end - timedelta(days=1)) for begin, end in days]
        if (start, last) not in allowed:
            said = "; ".join(f"{begin} to {end}" for begin, end in allowed[:4]) or "none yet: issue its statement first"
            self.add_error("start", f"No statement is issued for {start} to {last}. Issued are: {said}.")
