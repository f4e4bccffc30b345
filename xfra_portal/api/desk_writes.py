"""The billing desk's decisions about statements, tariffs, agreements, payouts and bills."""

from __future__ import annotations

import uuid
from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework.request import Request

from billing.models import Payout, Quarantine, Statement, StatementQuestion, Tariff, TariffVersion, UtilityBill
from billing.settlement import Item, Terms
from xfra_portal.api import desk_shapes as shapes
from xfra_portal.api.base import Response
from xfra_portal.api.desk import DeskView, desk_operation
from xfra_portal.desk import book_acts, month_acts, payment_acts
from xfra_portal.desk.done import Done
from xfra_portal.desk.payment_acts import Billed


class Corrections(DeskView):
    @desk_operation(
        "desk_correct",
        "Draft a correction of a statement",
        shapes.ReasonSerializer,
        "Rates its days again from all that is known now; `made` is the draft's id. 409 if not a cent would change.",
    )
    def post(self, request: Request, number: int) -> Response:
        statement = get_object_or_404(Statement.objects.issued().select_related("home"), number=number)
        return self.do(request, shapes.ReasonSerializer, lambda asked: month_acts.correct(statement, asked["why"]))


class IssueCorrection(DeskView):
    @desk_operation(
        "desk_issue_correction",
        "Issue a drafted correction",
        shapes.NothingSerializer,
        "It gets a number, only the change is posted, and the host is told why. `made` is its number.",
    )
    def post(self, request: Request, draft_id: int) -> Response:
        drafts = Statement.objects.filter(revises__isnull=False).select_related("home", "revises")
        draft = get_object_or_404(drafts, pk=draft_id)
        return self.do(request, shapes.NothingSerializer, lambda _: month_acts.issue_revision(self.person, draft))


class TariffImport(DeskView):
    @desk_operation(
        "desk_tariff_import",
        "Add a tariff document to the book, as a draft",
        shapes.TariffImportSerializer,
        "`made` is the version's id. What it lacks is said when it is published.",
    )
    def post(self, request: Request) -> Response:
        return self.do(request, shapes.TariffImportSerializer, lambda asked: book_acts.import_tariff(**asked))


class TariffPublication(DeskView):
    @desk_operation(
        "desk_tariff_publish",
        "Publish a tariff version: from then on it is frozen",
        shapes.NothingSerializer,
        "409 names each field that rating lacks or does not understand, with its remedy.",
    )
    def post(self, request: Request, version_id: int) -> Response:
        version = get_object_or_404(TariffVersion.objects.select_related("tariff"), pk=version_id)
        return self.do(request, shapes.NothingSerializer, lambda _: book_acts.publish(self.person, version))


class TariffAssignments(DeskView):
    @desk_operation(
        "desk_tariff_assign",
        "Have a home billed by a tariff from a day on",
        shapes.AssignSerializer,
        "What billed it until then ends the day before.",
    )
    def post(self, request: Request, home_id: uuid.UUID) -> Response:
        home = self.billed_home(home_id)

        def act(asked: dict[str, Any]) -> Done:
            return book_acts.assign(home, get_object_or_404(Tariff, pk=asked["tariff"]), asked["start"])

        return self.do(request, shapes.AssignSerializer, act)


class Conclusions(DeskView):
    @desk_operation(
        "desk_agreement_conclude",
        "Conclude an agreement, or its next version",
        shapes.ConcludeSerializer,
        "`made` is its version. 409 where it would begin within days that were rated.",
    )
    def post(self, request: Request, home_id: uuid.UUID) -> Response:
        home = self.contracted_home(home_id)

        def act(asked: dict[str, Any]) -> Done:
            return book_acts.conclude(self.person, home, _terms(asked), asked["start"], asked["why"])

        return self.do(request, shapes.ConcludeSerializer, act)


def _terms(asked: dict[str, Any]) -> Terms:
    names = (
        "utility_payer",
        "internet_payer",
        "settlement",
        "fee_cents",
        "credit_per_kwh",
        "internet_cents",
        "due_days",
        "how_paid",
    )
    items = tuple(Item(item["label"], item["cents"], item["to"]) for item in asked["fixed_monthly"])
    return Terms(**{name: asked[name] for name in names if name in asked}, items=items)


class PayoutsDue(DeskView):
    @desk_operation(
        "desk_payouts_create",
        "Create payouts of all that is due",
        shapes.NothingSerializer,
        "For each home with an owner and none on its way. 409 if nothing is due, or if the books do not add up.",
    )
    def post(self, request: Request) -> Response:
        return self.do(request, shapes.NothingSerializer, lambda _: payment_acts.create_payouts(self.person))


class PayoutsSent(DeskView):
    @desk_operation(
        "desk_payouts_send",
        "Send payouts, and ask about those that are sent",
        shapes.NothingSerializer,
        "A worker does; where no provider is configured, they count as handed to the bank by file.",
    )
    def post(self, request: Request) -> Response:
        return self.do(request, shapes.NothingSerializer, lambda _: payment_acts.send_payouts())


class PayoutOutcome(DeskView):
    @desk_operation(
        "desk_payout_outcome",
        "Say what became of a payout that nobody heard of",
        shapes.OutcomeSerializer,
        "For one that is sent; what failed is owed to the host again.",
    )
    def post(self, request: Request, payout_id: int) -> Response:
        payout = get_object_or_404(Payout.objects.select_related("home"), pk=payout_id)

        def act(asked: dict[str, Any]) -> Done:
            return payment_acts.resolve_payout(payout, asked["outcome"] == "paid", asked["why"])

        return self.do(request, shapes.OutcomeSerializer, act)


class Bills(DeskView):
    @desk_operation(
        "desk_bill_enter",
        "Enter a utility's bill and compare it with the statement of its days",
        shapes.BillSerializer,
        "409 where no statement is issued for exactly these days. `made` is the bill's id.",
    )
    def post(self, request: Request, home_id: uuid.UUID) -> Response:
        home = self.billed_home(home_id)
        return self.do(
            request, shapes.BillSerializer, lambda asked: payment_acts.enter_bill(self.person, Billed(home, **asked))
        )


class BillExplanation(DeskView):
    @desk_operation(
        "desk_bill_explain",
        "Explain why a bill differs",
        shapes.ReasonSerializer,
        "It is compared again; explained, the difference is posted where the operator pays the utility.",
    )
    def post(self, request: Request, bill_id: int) -> Response:
        bill = get_object_or_404(UtilityBill.objects.select_related("home"), pk=bill_id)
        return self.do(
            request, shapes.ReasonSerializer, lambda asked: payment_acts.explain_bill(self.person, bill, asked["why"])
        )


class BillPayment(DeskView):
    @desk_operation(
        "desk_bill_pay",
        "Say that a utility's bill is paid",
        shapes.NothingSerializer,
        "Posted once. 409 where the host pays the utility.",
    )
    def post(self, request: Request, bill_id: int) -> Response:
        bill = get_object_or_404(UtilityBill.objects.select_related("home"), pk=bill_id)
        return self.do(request, shapes.NothingSerializer, lambda _: payment_acts.pay_bill(self.person, bill))


class ReadingAnswer(DeskView):
    @desk_operation(
        "desk_reading_answer",
        "Accept or discard readings that are in doubt",
        shapes.ReadingAnswerSerializer,
        "The reason is kept with the reading.",
    )
    def post(self, request: Request, quarantine_id: int) -> Response:
        question = get_object_or_404(Quarantine.objects.select_related("home"), pk=quarantine_id)

        def act(asked: dict[str, Any]) -> Done:
            return month_acts.answer_reading(self.person, question, asked["accept"], asked["why"])

        return self.do(request, shapes.ReadingAnswerSerializer, act)


class QuestionAnswer(DeskView):
    @desk_operation(
        "desk_question_answer",
        "Answer a host's question about a statement",
        shapes.AnswerSerializer,
        "Once, and for good: the host reads it beside the statement.",
    )
    def post(self, request: Request, question_id: int) -> Response:
        question = get_object_or_404(StatementQuestion.objects.select_related("home", "statement"), pk=question_id)
        return self.do(
            request,
            shapes.AnswerSerializer,
            lambda asked: month_acts.answer_question(self.person, question, asked["text"]),
        )
