"""Shapes of what the billing desk asks for and is answered. Cents are whole; days are local, the end excluded."""

from __future__ import annotations

from decimal import Decimal

from rest_framework import serializers as s

from billing.agreements import MOST_DUE_DAYS, MOST_HOW_PAID
from billing.models import CloseItem, Payer, Settlement
from billing.settlement import HOST, OPERATOR

MOST_CENTS = 100_000_000


class DoneSerializer(s.Serializer):
    kind = s.CharField(help_text="What was done, as the log keeps it.")
    words = s.CharField(help_text="The same as a sentence.")
    home = s.UUIDField(allow_null=True)
    made = s.IntegerField(allow_null=True, help_text="The id (of a statement its number) of what came of it.")
    why = s.CharField(allow_blank=True)


class ReasonSerializer(s.Serializer):
    why = s.CharField(min_length=5, max_length=300, help_text="The reason. It is kept.")


class NothingSerializer(s.Serializer):
    """An empty object."""


class ApprovalSerializer(s.Serializer):
    items = s.ListField(
        child=s.IntegerField(min_value=1),
        required=False,
        allow_null=True,
        default=None,
        max_length=1000,
        help_text="Ids of the close's items; null: all drafts.",
    )
    take_back = s.BooleanField(default=False, help_text="Make them drafts again instead; needs `items`.")

    def validate(self, attrs: dict) -> dict:
        if attrs["take_back"] and not attrs["items"]:
            raise s.ValidationError({"items": "name the items whose approval is taken back"})
        return attrs


class TariffImportSerializer(s.Serializer):
    utility = s.CharField(max_length=80)
    name = s.CharField(max_length=120)
    document = s.DictField(help_text="OpenEI URDB v8 JSON with our own fields.")
    valid_from = s.DateField()
    note = s.CharField(max_length=200, required=False, default="", allow_blank=True)


class AssignSerializer(s.Serializer):
    tariff = s.IntegerField(min_value=1, max_value=2**31, help_text="The line's id, as in the list of tariffs.")
    start = s.DateField(help_text="First local day.")


class FixedItemSerializer(s.Serializer):
    label = s.CharField(max_length=80)  # type: ignore[assignment]
    cents = s.IntegerField(min_value=1, max_value=MOST_CENTS)
    to = s.ChoiceField([HOST, OPERATOR])


class ConcludeSerializer(s.Serializer):
    start = s.DateField(help_text="First local day. The agreement in force ends the day before.")
    utility_payer = s.ChoiceField(Payer.values)
    internet_payer = s.ChoiceField(Payer.values)
    internet_cents = s.IntegerField(min_value=0, max_value=MOST_CENTS)
    settlement = s.ChoiceField(Settlement.values)
    fee_cents = s.IntegerField(min_value=0, max_value=MOST_CENTS, required=False, help_text="Of a flat fee.")
    credit_per_kwh = s.DecimalField(
        max_digits=9, decimal_places=6, min_value=Decimal(0), max_value=Decimal(10), required=False
    )
    fixed_monthly = FixedItemSerializer(many=True, required=False, default=list)
    due_days = s.IntegerField(
        min_value=1, max_value=MOST_DUE_DAYS, help_text="Within so many days of a statement's issue the host pays."
    )
    how_paid = s.CharField(max_length=MOST_HOW_PAID, help_text="A sentence to the host on how that is paid.")
    why = s.CharField(min_length=5, max_length=300)

    def validate(self, attrs: dict) -> dict:
        needs = {Settlement.FLAT_HOST_FEE: "fee_cents", Settlement.CREDIT_PER_KWH: "credit_per_kwh"}
        needed = needs.get(attrs["settlement"])
        if needed and needed not in attrs:
            raise s.ValidationError({needed: f"settlement {attrs['settlement']} needs it"})
        for field in set(needs.values()) - {needed}:
            if field in attrs:
                raise s.ValidationError({field: f"settlement {attrs['settlement']} has none: leave it out"})
        return attrs


class OutcomeSerializer(ReasonSerializer):
    outcome = s.ChoiceField(["paid", "failed"])


class BillSerializer(s.Serializer):
    number = s.CharField(max_length=60)
    start = s.DateField()
    end = s.DateField(help_text="The day after the last; the days must be those of an issued statement.")
    cents = s.IntegerField(min_value=-MOST_CENTS, max_value=MOST_CENTS)
    import_wh = s.IntegerField(min_value=0, max_value=10**12, required=False, allow_null=True, default=None)

    def validate(self, attrs: dict) -> dict:
        if not attrs["start"] < attrs["end"]:
            raise s.ValidationError({"end": "must be after start"})
        return attrs


class ReadingAnswerSerializer(ReasonSerializer):
    accept = s.BooleanField(help_text="true: the values count as read; false: the stretch is unknown.")


class AnswerSerializer(s.Serializer):
    text = s.CharField(min_length=3, max_length=2000)


class StagesSerializer(s.Serializer):
    waiting = s.IntegerField()
    held = s.IntegerField()
    drafted = s.IntegerField()
    reviewed = s.IntegerField()
    issued = s.IntegerField()


class MonthSerializer(s.Serializer):
    month = s.CharField(help_text="As 2026-10.")
    is_over = s.BooleanField()
    is_begun = s.BooleanField()
    stages = StagesSerializer()
    doubted = s.IntegerField(help_text="Stretches of readings that somebody must accept or discard.")
    known_ratio = s.FloatField(
        allow_null=True, help_text="Of quarter-hours; null where that is too many to count here."
    )


class MonthsSerializer(s.Serializer):
    months = MonthSerializer(many=True)
    worker_seen_at = s.DateTimeField(allow_null=True, help_text="When a worker was last at work on billing.")


class CloseItemSerializer(s.Serializer):
    id = s.IntegerField()
    home = s.UUIDField()
    start = s.DateField()
    end = s.DateField()
    stage = s.ChoiceField(CloseItem.Stage.values)
    problem = s.CharField(allow_blank=True)
    remedy = s.CharField(allow_blank=True)
    statement = s.IntegerField(allow_null=True, help_text="Its number once issued.")
    total_cents = s.IntegerField(allow_null=True, help_text="What the host owes; below zero what the host is owed.")


class ItemPageSerializer(s.Serializer):
    next = s.URLField(allow_null=True)
    previous = s.URLField(allow_null=True)
    results = CloseItemSerializer(many=True)
