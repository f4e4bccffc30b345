"""The terms of an agreement as a form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms

from billing.agreements import MOST_DUE_DAYS, MOST_HOW_PAID
from billing.models import Payer, Settlement
from billing.settlement import HOST, OPERATOR, Item, Terms
from xfra_portal.desk.forms import DeskForm, DollarsField, day

_WHO = [(Payer.HOST.value, "the host"), (Payer.OPERATOR.value, "we")]
_SETTLEMENTS = [
    (Settlement.HOLD_HARMLESS.value, "hold harmless: we owe what the node added to the bill"),
    (Settlement.FLAT_HOST_FEE.value, "flat fee: the host owes a fee a month, whatever the bills are"),
    (Settlement.CREDIT_PER_KWH.value, "credit: we owe so much for each kWh of the node"),
]
_ITEM = "a month, of a fixed item (for instance rent for the wall)"


class AgreementForm(DeskForm):
    start = day("First day", "The agreement in force then ends the day before. It cannot begin within rated days.")
    utility_payer = forms.ChoiceField(label="Who pays the utility", choices=_WHO)
    internet_payer = forms.ChoiceField(label="Who pays the internet provider", choices=_WHO)
    internet = DollarsField(
        label="Internet, a month", help_text="What the line costs, whoever pays; 0 if not part of it."
    )
    settlement = forms.ChoiceField(label="Who owes whom", choices=_SETTLEMENTS)
    fee = DollarsField(label="Fee, a month", required=False, help_text="For a flat fee only, as 150.00.")
    credit = forms.DecimalField(
        label="Credit, dollars a kWh",
        required=False,
        min_value=Decimal(0),
        max_value=Decimal(10),
        decimal_places=6,
        help_text="For a credit only, as 0.14.",
        error_messages={
            "invalid": "Write dollars a kWh, as 0.14.",
            "max_value": "At most 10 dollars a kWh is allowed.",
            "min_value": "Not below 0.",
        },
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    item_label = forms.CharField(label="Fixed item, what for", required=False, max_length=80)
    item = DollarsField(label="Fixed item, a month", required=False, least=1)
    item_to = forms.ChoiceField(
        label="Fixed item, paid to", choices=[(HOST, "the host"), (OPERATOR, "us")], required=False
    )
    due_days = forms.IntegerField(
        label="Due, days after issue",
        min_value=1,
        max_value=MOST_DUE_DAYS,
        help_text=f"From 1 to {MOST_DUE_DAYS}: by then the host pays what a statement says is owed.",
        error_messages={"required": "Write a number of days, as 14."},
    )
    how_paid = forms.CharField(
        label="How the host pays",
        max_length=MOST_HOW_PAID,
        help_text="A sentence to the host, as: By bank transfer to the account on the invoice.",
        error_messages={"required": "Write a sentence that tells the host how to pay."},
    )
    why = forms.CharField(
        label="Why this version",
        min_length=5,
        max_length=300,
        error_messages={"required": "Say why: the reason is kept.", "min_length": "Say why in a few words."},
    )

    @staticmethod
    def initial_of(terms: Terms) -> dict[str, Any]:
        item = terms.items[0] if terms.items else None
        return {
            "utility_payer": terms.utility_payer,
            "internet_payer": terms.internet_payer,
            "internet": _dollars(terms.internet_cents),
            "settlement": terms.settlement,
            "fee": _dollars(terms.fee_cents) if terms.fee_cents else "",
            "credit": terms.credit_per_kwh or "",
            "item_label": item.label if item else "",
            "item": _dollars(item.cents) if item else "",
            "item_to": item.to if item else HOST,
            "due_days": terms.due_days,
            "how_paid": terms.how_paid,
        }

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        settlement = found.get("settlement")
        for kind, field, words in (
            (Settlement.FLAT_HOST_FEE, "fee", "A flat fee needs an amount, as 150.00."),
            (Settlement.CREDIT_PER_KWH, "credit", "A credit needs dollars a kWh, as 0.14."),
        ):
            if settlement == kind and found.get(field) is None and field not in self.errors:
                self.add_error(field, words)
            if settlement != kind and found.get(field):
                self.add_error(field, "Leave this empty: the kind of settlement chosen has none.")
        if bool(found.get("item_label")) != bool(found.get("item")) and "item" not in self.errors:
            self.add_error(
                "item" if found.get("item_label") else "item_label", "An item needs both words and an amount."
            )
        return found

    @property
    def terms(self) -> Terms:
        found = self.cleaned_data
        items = (Item(found["item_label"], found["item"], found["item_to"] or HOST),) if found.get("item") else ()
        return Terms(
            found["utility_payer"],
            found["internet_payer"],
            found["settlement"],
            fee_cents=found.get("fee") or 0,
            credit_per_kwh=found.get("credit") or Decimal(0),
            internet_cents=found["internet"] or 0,
            items=items,
            due_days=found["due_days"],
            how_paid=found["how_paid"],
        )


def _dollars(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
