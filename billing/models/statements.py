"""Statements and their lines, and the chain of what was issued."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Self
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q

from billing.access import billed_homes
from billing.models.agreements import Agreement
from billing.models.runs import BillingPeriod, RatingRun
from homes.models import Home, Party, User


class StatementQuerySet(models.QuerySet["Statement"]):
    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Of homes whose money this person may see; drafts are the desk's."""
        found = self.filter(home__in=billed_homes(user))
        return found if isinstance(user, User) and user.operator_role else found.issued()

    def issued(self) -> Self:
        return self.filter(state=Statement.State.ISSUED)

    def current(self) -> Self:
        """Without those that an issued statement has revised."""
        return self.exclude(revision__state=Statement.State.ISSUED)


class Statement(models.Model):
    """What a period cost, who paid it and what is owed. A draft until it is issued, then unchangeable.

    All cents. `total_cents` is what the host owes the operator for this period, below zero what the operator owes the
    host. The bills are the utility's with and without the node; `you_pay` + `we_pay` = bill with node + internet. The
    number is given by the database when it is issued, without gaps (rules.statements). When and how the host pays
    stands here too, because members of a household read the statement and not the agreement.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        ISSUED = "issued", "Issued"

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="statements")
    period = models.ForeignKey(BillingPeriod, on_delete=models.PROTECT, related_name="statements")
    run = models.ForeignKey(RatingRun, on_delete=models.PROTECT, related_name="statements")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="statements")
    state = models.CharField(max_length=8, choices=State, default=State.DRAFT)
    number = models.PositiveBigIntegerField(null=True, blank=True, unique=True)
    revises = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="revision")
    why = models.CharField(max_length=300, blank=True)
    due_days = models.PositiveSmallIntegerField()
    how_paid = models.CharField(max_length=200, blank=True)
    total_cents = models.BigIntegerField()
    bill_with_cents = models.BigIntegerField()
    bill_without_cents = models.BigIntegerField()
    internet_cents = models.BigIntegerField()
    you_pay_cents = models.BigIntegerField()
    we_pay_cents = models.BigIntegerField()
    saved_cents = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)
    issued_at = models.DateTimeField(null=True, blank=True)
    issued_by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects: ClassVar = StatementQuerySet.as_manager()

    if TYPE_CHECKING:
        home_id: Any
        period_id: int
        run_id: int
        agreement_id: int
        revises_id: int | None

    class Meta:
        ordering = ["-period__start", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["period"], condition=Q(revises__isnull=True), name="one_statement_a_period"
            ),
            models.CheckConstraint(
                condition=Q(state="draft", number__isnull=True, issued_at__isnull=True)
                | Q(state="issued", number__isnull=False, issued_at__isnull=False),
                name="statement_numbered_when_issued",
            ),
            models.CheckConstraint(
                condition=Q(you_pay_cents=F("bill_with_cents") + F("internet_cents") - F("we_pay_cents")),
                name="statement_bills_are_paid",
            ),
            models.CheckConstraint(
                condition=Q(saved_cents=F("bill_without_cents") + F("internet_cents") - F("you_pay_cents")),
                name="statement_saving_adds_up",
            ),
            models.CheckConstraint(condition=Q(revises__isnull=True) | ~Q(why=""), name="revision_says_why"),
        ]

    def __str__(self) -> str:
        return f"statement {self.number or 'draft'} of {self.home_id}"

    @property
    def node_cents(self) -> int:
        """What the node added to the utility's bill."""
        return self.bill_with_cents - self.bill_without_cents

    @property
    def issued_on(self) -> date | None:
        """The day of issue where the home is, which every page and paper names."""
        return self.issued_at.astimezone(ZoneInfo(self.period.zone)).date() if self.issued_at else None

    @property
    def due_on(self) -> date | None:
        """The last day on which the host pays in time; None where nothing is owed, or not yet."""
        issued_on = self.issued_on
        return issued_on + timedelta(days=self.due_days) if issued_on and self.total_cents > 0 else None


class Section(models.TextChoices):
    ELECTRICITY = "electricity", "The utility's bill"
    INTERNET = "internet", "Internet"
    SETTLEMENT = "settlement", "Between you and us"


class StatementLine(models.Model):
    """One line, cash and in-kind apart.

    `with_cents` and `without_cents` are parts of the utility's bill; `host_cash_cents` and `operator_cash_cents` are
    what each paid in money, to whomever, less what it got from the other; `in_kind_cents` is what the host got without
    money; `amount_cents` is this line's part of what the host owes the operator.
    """

    statement = models.ForeignKey(Statement, on_delete=models.CASCADE, related_name="lines")
    ordinal = models.PositiveSmallIntegerField()
    section = models.CharField(max_length=12, choices=Section)
    component = models.CharField(max_length=16)
    span = models.PositiveSmallIntegerField(null=True)
    tou_period = models.PositiveSmallIntegerField(null=True)
    tier = models.PositiveSmallIntegerField(null=True)
    label = models.CharField(max_length=160)
    clause = models.CharField(max_length=40, blank=True)
    quantity_with = models.DecimalField(max_digits=60, decimal_places=30, null=True)
    quantity_without = models.DecimalField(max_digits=60, decimal_places=30, null=True)
    unit = models.CharField(max_length=8, blank=True)
    rate = models.DecimalField(max_digits=60, decimal_places=30, null=True)
    with_cents = models.BigIntegerField(default=0)
    without_cents = models.BigIntegerField(default=0)
    host_cash_cents = models.BigIntegerField(default=0)
    operator_cash_cents = models.BigIntegerField(default=0)
    in_kind_cents = models.BigIntegerField(default=0)
    amount_cents = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["statement", "ordinal"]
        constraints = [models.UniqueConstraint(fields=["statement", "ordinal"], name="statement_line_once")]

    def __str__(self) -> str:
        return self.label

    @property
    def node_cents(self) -> int:
        return self.with_cents - self.without_cents


class ChainKey(models.Model):
    """A public key that chain links are signed with (Ed25519, hex). Append-only."""

    public_key = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.public_key[:16]


class ChainLink(models.Model):
    """An issued statement's place in its home's chain: sha256(previous hash + canonical content), signed."""

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="chain_links")
    position = models.PositiveIntegerField()
    statement = models.OneToOneField(Statement, on_delete=models.PROTECT, related_name="chain_link")
    previous_sha256 = models.CharField(max_length=64)
    sha256 = models.CharField(max_length=64)
    key = models.ForeignKey(ChainKey, on_delete=models.PROTECT, related_name="+")
    signature = models.CharField(max_length=128)

    class Meta:
        ordering = ["home", "position"]
        constraints = [models.UniqueConstraint(fields=["home", "position"], name="chain_position_once")]

    def __str__(self) -> str:
        return f"{self.home_id} {self.position}: {self.sha256[:12]}"
