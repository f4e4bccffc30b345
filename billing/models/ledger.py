"""The ledger: accounts, entries and postings. Written by billing.ledger alone; nothing here ever changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import Q

from billing.models.payouts import Payout
from billing.models.statements import Statement
from billing.models.utility_bills import UtilityBill
from homes.models import Home, Party


class Code(models.TextChoices):
    """What an account is for. Those of a home exist once per home, the operator's once."""

    HOST_RECEIVABLE = "host_receivable", "Owed by the host"
    HOST_PAYABLE = "host_payable", "Owed to the host"
    UTILITY_PAYABLE = "utility_payable", "Owed to the utility"
    INTERNET_PAYABLE = "internet_payable", "Owed to the internet provider"
    CASH = "cash", "Cash"
    IN_TRANSIT = "in_transit", "Payouts on their way"
    NODE_ELECTRICITY = "node_electricity", "Electricity of the nodes"
    HOME_ELECTRICITY = "home_electricity", "Electricity of the homes, paid for the hosts"
    INTERNET = "internet", "Internet, paid for the hosts"
    HOST_CREDITS = "host_credits", "Credits and payments to hosts"
    HOST_FEES = "host_fees", "Fees from hosts"


OF_A_HOME = (Code.HOST_RECEIVABLE, Code.HOST_PAYABLE, Code.UTILITY_PAYABLE, Code.INTERNET_PAYABLE)


class Account(models.Model):
    code = models.CharField(max_length=20, choices=Code)
    home = models.ForeignKey(Home, on_delete=models.PROTECT, null=True, blank=True, related_name="accounts")

    class Meta:
        ordering = ["code", "id"]
        constraints = [
            models.UniqueConstraint(fields=["code", "home"], nulls_distinct=False, name="account_once"),
            models.CheckConstraint(
                condition=Q(code__in=[str(code) for code in OF_A_HOME], home__isnull=False)
                | Q(code__in=[str(code) for code in Code if code not in OF_A_HOME], home__isnull=True),
                name="account_is_a_homes_or_the_operators",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} of {self.home_id}" if self.home_id else str(self.code)


class Entry(models.Model):
    """Something that happened to money. Its postings sum to zero at COMMIT; it is reversed at most once."""

    class Kind(models.TextChoices):
        STATEMENT = "statement", "Statement issued"
        REVISION = "revision", "Statement revised"
        RECEIPT = "receipt", "Received from the host"
        PAYOUT = "payout", "Payout begun"
        PAID = "paid", "Payout arrived"
        UTILITY_BILL = "utility_bill", "Utility's bill reconciled"
        UTILITY_PAID = "utility_paid", "Utility's bill paid"
        INTERNET_PAID = "internet_paid", "Internet bill paid"
        ADJUSTMENT = "adjustment", "Adjustment"
        REVERSAL = "reversal", "Reversal"

    home = models.ForeignKey(Home, on_delete=models.PROTECT, null=True, blank=True, related_name="entries")
    kind = models.CharField(max_length=16, choices=Kind)
    key = models.CharField(max_length=120, unique=True)
    at = models.DateTimeField()
    note = models.CharField(max_length=300, blank=True)
    statement = models.OneToOneField(Statement, on_delete=models.PROTECT, null=True, blank=True, related_name="entry")
    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, null=True, blank=True, related_name="entries")
    utility_bill = models.ForeignKey(
        UtilityBill, on_delete=models.PROTECT, null=True, blank=True, related_name="entries"
    )
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversal")
    by = models.ForeignKey(Party, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    recorded_at = models.DateTimeField(auto_now_add=True)

    if TYPE_CHECKING:
        home_id: Any

    class Meta:
        verbose_name_plural = "entries"
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="reversal", reverses__isnull=False) | (~Q(kind="reversal") & Q(reverses__isnull=True)),
                name="entry_reverses_if_reversal",
            )
        ]

    def __str__(self) -> str:
        return self.key


class Posting(models.Model):
    """Cents on one account: above zero debit, below zero credit."""

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="postings")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="postings")
    cents = models.BigIntegerField()

    class Meta:
        ordering = ["entry", "id"]
        constraints = [models.CheckConstraint(condition=~Q(cents=0), name="posting_moves_something")]

    def __str__(self) -> str:
        return f"{self.cents} on {self.account_id}"
