"""Shapes of the answers about money. Cents are whole; quantities, rates and exact amounts are decimal strings."""

from __future__ import annotations

from rest_framework import serializers as s

from xfra_portal.statement_files import KINDS


class FiguresSerializer(s.Serializer):
    """In cents. `you_pay` + `we_pay` = bill with the node + internet; `saved` is what the household did not pay."""

    you_pay_cents = s.IntegerField()
    we_pay_cents = s.IntegerField()
    saved_cents = s.IntegerField()
    bill_with_cents = s.IntegerField(help_text="The utility's bill.")
    bill_without_cents = s.IntegerField(help_text="What it would have been without the node.")
    node_cents = s.IntegerField(help_text="The difference: what the node cost.")
    internet_cents = s.IntegerField()


class LineSerializer(s.Serializer):
    ordinal = s.IntegerField()
    section = s.CharField(help_text="electricity, internet or settlement")
    component = s.CharField()
    name = s.CharField(help_text="As on the page, the PDF and the CSV.")
    hours = s.ListField(child=s.CharField(), help_text="When a time-of-use line applies; empty for any other.")
    clause = s.CharField(allow_blank=True, help_text="The clause of the agreement that it follows.")
    span = s.IntegerField(allow_null=True, help_text="Which of the statement's tariff spans priced it, from 0.")
    tou_period = s.IntegerField(allow_null=True, help_text="The tariff's time-of-use period, from 0.")
    tier = s.IntegerField(allow_null=True, help_text="The price step, from 0.")
    quantity_with = s.CharField(allow_null=True)
    quantity_without = s.CharField(allow_null=True)
    unit = s.CharField(allow_blank=True)
    rate = s.CharField(allow_null=True, help_text="Dollars per unit; of unit USD a share.")
    with_cents = s.IntegerField()
    without_cents = s.IntegerField()
    node_cents = s.IntegerField()
    host_cash_cents = s.IntegerField(help_text="What the household pays, below zero what it gets.")
    operator_cash_cents = s.IntegerField()
    in_kind_cents = s.IntegerField()
    amount_cents = s.IntegerField(help_text="Its part of what the household owes the operator.")


class StatementSerializer(FiguresSerializer):
    number = s.IntegerField()
    home = s.UUIDField()
    timezone = s.CharField()
    start = s.DateField(help_text="First local day.")
    end = s.DateField(help_text="The local day after the last.")
    issued_at = s.DateTimeField()
    total_cents = s.IntegerField(help_text="What the household owes for it, below zero what it is owed.")
    due_on = s.DateField(allow_null=True, help_text="The last day to pay in time; null where nothing is owed.")
    words = s.ListField(
        child=s.CharField(), help_text="What the node cost, and what is owed by when and how: as the page begins."
    )
    interval_count = s.IntegerField(help_text="Quarter-hours.")
    estimated_intervals = s.IntegerField()
    site_import_wh = s.IntegerField()
    site_export_wh = s.IntegerField()
    node_wh = s.IntegerField()
    revises = s.IntegerField(allow_null=True, help_text="The statement that this one corrects.")
    revised_by = s.IntegerField(allow_null=True, help_text="The statement that corrects this one.")
    why = s.CharField(allow_blank=True, help_text="Why it corrects another.")


class StatementPageSerializer(s.Serializer):
    next = s.URLField(allow_null=True)
    previous = s.URLField(allow_null=True)
    results = StatementSerializer(many=True)


class ChangeSerializer(s.Serializer):
    figure = s.ChoiceField(["you_pay", "we_pay", "saved"])
    was_cents = s.IntegerField()
    now_cents = s.IntegerField()
    change_cents = s.IntegerField()


class FileSerializer(s.Serializer):
    kind = s.ChoiceField([(name, kind.words) for name, kind in KINDS.items()])
    media_type = s.CharField()
    url = s.CharField()


class StatementDetailSerializer(StatementSerializer):
    changes = ChangeSerializer(many=True, help_text="Of a correction: was, now, change.")
    lines = LineSerializer(many=True)
    files = FileSerializer(many=True, help_text="Those that you may have.")


class LinesSerializer(s.Serializer):
    lines = LineSerializer(many=True)


class StepSerializer(s.Serializer):
    upper = s.CharField(allow_null=True, help_text="Up to so much; null: beyond.")
    rate = s.CharField()
    is_this_line = s.BooleanField()


class TariffRowSerializer(s.Serializer):
    tariff = s.CharField()
    sha256 = s.CharField()
    unit = s.CharField()
    hours = s.ListField(child=s.CharField())
    steps = StepSerializer(many=True)


class LineDaySerializer(s.Serializer):
    on = s.DateField()
    quarter_hours = s.IntegerField(help_text="How many of the day the row applied in.")
    with_wh = s.IntegerField()
    without_wh = s.IntegerField()
    node_wh = s.IntegerField()
    peak_watts = s.IntegerField(help_text="Average over the highest of them.")


class LineDetailSerializer(LineSerializer):
    tariff_row = TariffRowSerializer(allow_null=True)
    days = LineDaySerializer(many=True)


class SegmentSerializer(s.Serializer):
    side = s.ChoiceField(["with", "without"])
    ordinal = s.IntegerField()
    component = s.CharField()
    span = s.IntegerField()
    tou_period = s.IntegerField(allow_null=True)
    tier = s.IntegerField(allow_null=True)
    quantity = s.CharField()
    unit = s.CharField()
    rate = s.CharField()
    exact = s.CharField(help_text="Dollars: quantity x rate x days / of_days.")
    days = s.IntegerField()
    of_days = s.IntegerField()
    name = s.CharField(help_text="Of the statement's line that it went into.")


class SegmentsSerializer(s.Serializer):
    input_sha256 = s.CharField()
    engine_version = s.CharField()
    tzdata_version = s.CharField()
    segments = SegmentSerializer(many=True)


class IntervalsSerializer(s.Serializer):
    """Each list is as long as `at`. Wh of the quarter-hour that begins then."""

    timezone = s.CharField()
    at = s.ListField(child=s.DateTimeField())
    site_import_wh = s.ListField(child=s.IntegerField())
    site_export_wh = s.ListField(child=s.IntegerField())
    node_wh = s.ListField(child=s.IntegerField())
    without_import_wh = s.ListField(child=s.IntegerField())
    without_export_wh = s.ListField(child=s.IntegerField())
    tou_period = s.ListField(child=s.IntegerField())
    rates = s.ListField(child=s.ListField(child=s.CharField()), help_text="Dollars a kWh of the period's price steps.")


class DifferenceStepSerializer(s.Serializer):
    cause = s.CharField()
    cents = s.IntegerField()
    name = s.CharField()
    why = s.CharField()


class DifferenceSerializer(s.Serializer):
    """`was_cents` plus all steps is `now_cents`, to the cent. Null where there is no statement before."""

    figure = s.ChoiceField(["you_pay", "we_pay", "saved"])
    compared_with = s.IntegerField(allow_null=True, help_text="Number of the statement before; null: there is none.")
    was_cents = s.IntegerField(allow_null=True)
    now_cents = s.IntegerField()
    steps = DifferenceStepSerializer(many=True)


class FilesSerializer(s.Serializer):
    files = FileSerializer(many=True)


class QuestionSerializer(s.Serializer):
    id = s.IntegerField()
    line = s.IntegerField(allow_null=True)
    text = s.CharField()
    asked_at = s.DateTimeField()
    answer = s.CharField(allow_blank=True)
    answered_at = s.DateTimeField(allow_null=True)


class QuestionsSerializer(s.Serializer):
    questions = QuestionSerializer(many=True)


class AskSerializer(s.Serializer):
    text = s.CharField(min_length=3, max_length=2000)
    line = s.IntegerField(required=False, allow_null=True, min_value=1, max_value=32767, help_text="Ordinal of a line.")


class ForecastSerializer(FiguresSerializer):
    """Of the whole month. About, because what is to come is the basis' days continued."""

    basis_start = s.DateField()
    basis_end = s.DateField()
    basis_days = s.IntegerField()


class WhySerializer(s.Serializer):
    code = s.CharField(help_text="no_agreement, first_day, no_readings, no_tariff, not_rated or incomplete")
    detail = s.CharField()


class BandSerializer(s.Serializer):
    hours = s.CharField()
    home_wh = s.IntegerField()
    node_wh = s.IntegerField()
    rates = s.ListField(child=s.CharField())


class MonthToDateSerializer(s.Serializer):
    timezone = s.CharField()
    start = s.DateField()
    end = s.DateField(help_text="The local day after the last that is counted: as of its midnight.")
    month_end = s.DateField()
    is_final = s.BooleanField(help_text="False: only a statement is.")
    figures = FiguresSerializer(allow_null=True)
    forecast = ForecastSerializer(allow_null=True)
    problem = WhySerializer(allow_null=True, help_text="Why there is nothing, or why it ends before today.")
    estimated_intervals = s.IntegerField()
    lines = LineSerializer(many=True)
    bands = BandSerializer(many=True, help_text="Home and node by time of use.")


class AgreementChangeSerializer(s.Serializer):
    field = s.CharField()
    was = s.CharField(allow_null=True)
    now = s.CharField(allow_null=True)


class ItemSerializer(s.Serializer):
    label = s.CharField()  # type: ignore[assignment]
    cents = s.IntegerField()
    to = s.ChoiceField(["host", "operator"])


class AgreementSerializer(s.Serializer):
    version = s.IntegerField()
    start = s.DateField()
    end = s.DateField(allow_null=True, help_text="The local day after the last; null: until it is changed.")
    utility_payer = s.ChoiceField(["host", "operator"])
    internet_payer = s.ChoiceField(["host", "operator"])
    settlement = s.ChoiceField(["hold_harmless", "flat_host_fee", "credit_per_kwh"])
    fee_cents = s.IntegerField(allow_null=True)
    credit_per_kwh = s.CharField(allow_null=True)
    internet_cents = s.IntegerField()
    fixed_monthly = ItemSerializer(many=True)
    due_days = s.IntegerField(help_text="Within so many days of a statement's issue what is owed is paid.")
    how_paid = s.CharField(allow_blank=True, help_text="How it is paid, as a sentence to the host.")
    words = s.ListField(child=s.CharField(), help_text="The same in plain sentences.")
    changes = AgreementChangeSerializer(many=True, help_text="From the version before.")


class AgreementsSerializer(s.Serializer):
    agreements = AgreementSerializer(many=True, help_text="The latest first.")


class TariffSerializer(s.Serializer):
    utility = s.CharField()
    name = s.CharField()
    version = s.IntegerField()
    valid_from = s.DateField()
    published_at = s.DateTimeField()
    sha256 = s.CharField(help_text="Of the canonical document.")
    assigned_from = s.DateField()
    assigned_until = s.DateField(allow_null=True)
    document = s.DictField(help_text="OpenEI URDB v8 with our own fields, as published.")


class TariffsSerializer(s.Serializer):
    tariffs = TariffSerializer(many=True, help_text="Those that bill the home from the first of this month on.")


class PayoutSerializer(s.Serializer):
    key = s.CharField()
    cents = s.IntegerField()
    state = s.ChoiceField(["created", "sent", "paid", "failed", "returned"])
    problem = s.CharField(allow_blank=True)
    created_at = s.DateTimeField()
    sent_at = s.DateTimeField(allow_null=True)
    settled_at = s.DateTimeField(allow_null=True)
    returned_at = s.DateTimeField(allow_null=True)


class PayoutPageSerializer(s.Serializer):
    next = s.URLField(allow_null=True)
    previous = s.URLField(allow_null=True)
    results = PayoutSerializer(many=True)


class PostingSerializer(s.Serializer):
    account = s.CharField()
    cents = s.IntegerField(help_text="Above zero debit, below zero credit.")


class EntrySerializer(s.Serializer):
    key = s.CharField()
    kind = s.CharField()
    at = s.DateTimeField()
    note = s.CharField(allow_blank=True)
    statement = s.IntegerField(allow_null=True)
    postings = PostingSerializer(many=True)


class LedgerSerializer(s.Serializer):
    next = s.URLField(allow_null=True)
    previous = s.URLField(allow_null=True)
    balances = PostingSerializer(many=True, help_text="Of the home's own accounts, over all entries that you may see.")
    results = EntrySerializer(many=True)


class ImportedSerializer(s.Serializer):
    is_new = s.BooleanField(help_text="False: the same file was imported before.")
    days = s.IntegerField()
    versions = s.IntegerField(help_text="Days of readings that it changed.")
    questions = s.IntegerField(help_text="Stretches that somebody has to look at.")
