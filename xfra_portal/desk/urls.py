"""The billing desk's doors."""

from __future__ import annotations

from django.urls import path

from xfra_portal.desk import (
    agreement_pages,
    bills,
    converters,  # noqa: F401  (imported for what it does: months in addresses)
    exceptions,
    homes,
    months,
    payments,
    statements,
    tariffs,
)

_MONTH = "billing/months/<month:month>/"
_STATEMENT = "billing/statements/<int:statement_id>/"
_HOME = "billing/homes/<uuid:home_id>/"

urlpatterns = [
    path("billing/", months.overview, name="desk"),
    path(_MONTH, months.month_page, name="desk-month"),
    path(f"{_MONTH}progress/", months.progress, name="desk-progress"),
    path(f"{_MONTH}begin/", months.begin, name="desk-begin"),
    path(f"{_MONTH}approve/", months.approve, name="desk-approve"),
    path(f"{_MONTH}issue/", months.issue, name="desk-issue"),
    path(_STATEMENT, statements.statement_page, name="desk-statement"),
    path(f"{_STATEMENT}lines/<int:ordinal>/", statements.line_page, name="desk-line"),
    path(f"{_STATEMENT}files/<slug:kind>", statements.file, name="desk-statement-file"),
    path(f"{_STATEMENT}correct/", statements.correct, name="desk-correct"),
    path(f"{_STATEMENT}issue/", statements.issue_revision, name="desk-issue-revision"),
    path("billing/exceptions/", exceptions.exceptions_page, name="desk-exceptions"),
    path("billing/exceptions/<int:quarantine_id>/", exceptions.answer_reading, name="desk-answer-reading"),
    path("billing/homes/", homes.homes_page, name="desk-homes"),
    path(_HOME, homes.home_page, name="desk-home"),
    path(f"{_HOME}readings/<month:month>/", homes.readings_page, name="desk-readings"),
    path(f"{_HOME}readings/", homes.import_readings, name="desk-import-readings"),
    path(f"{_HOME}agreement/", agreement_pages.agreement_page, name="desk-agreement"),
    path("billing/payouts/", payments.payouts_page, name="desk-payouts"),
    path("billing/payouts/create/", payments.create, name="desk-create-payouts"),
    path("billing/payouts/send/", payments.send, name="desk-send-payouts"),
    path("billing/payouts/file", payments.payouts_file, name="desk-payouts-file"),
    path("billing/payouts/<int:payout_id>/", payments.resolve, name="desk-resolve-payout"),
    path("billing/bills/", bills.bills_page, name="desk-bills"),
    path("billing/bills/<int:bill_id>/explain/", bills.explain, name="desk-explain-bill"),
    path("billing/bills/<int:bill_id>/pay/", bills.pay, name="desk-pay-bill"),
    path("billing/tariffs/", tariffs.tariffs_page, name="desk-tariffs"),
    path("billing/tariffs/<int:version_id>/", tariffs.tariff_page, name="desk-tariff"),
    path("billing/tariffs/<int:version_id>/publish/", tariffs.publish, name="desk-publish-tariff"),
    path("billing/questions/", exceptions.questions_page, name="desk-questions"),
    path("billing/questions/<int:question_id>/", exceptions.answer_question, name="desk-answer-question"),
    path("billing/log/", exceptions.log_page, name="desk-log"),
]
