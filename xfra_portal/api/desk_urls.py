"""The billing desk's endpoints, under billing/."""

from django.urls import path

from xfra_portal.api import desk, desk_writes
from xfra_portal.desk import converters  # noqa: F401  (imported for what it does: months in addresses)

urlpatterns = [
    path("months", desk.Months.as_view(), name="api-desk-months"),
    path("months/<month:month>/items", desk.Items.as_view(), name="api-desk-items"),
    path("months/<month:month>/close", desk.BeginClose.as_view(), name="api-desk-close"),
    path("months/<month:month>/approvals", desk.Approvals.as_view(), name="api-desk-approvals"),
    path("months/<month:month>/issue", desk.Issue.as_view(), name="api-desk-issue"),
    path("statements/<int:number>/corrections", desk_writes.Corrections.as_view(), name="api-desk-corrections"),
    path("corrections/<int:draft_id>/issue", desk_writes.IssueCorrection.as_view(), name="api-desk-issue-correction"),
    path("tariffs", desk_writes.TariffImport.as_view(), name="api-desk-tariffs"),
    path("tariffs/<int:version_id>/publish", desk_writes.TariffPublication.as_view(), name="api-desk-publish"),
    path("homes/<uuid:home_id>/tariff", desk_writes.TariffAssignments.as_view(), name="api-desk-assign"),
    path("homes/<uuid:home_id>/agreement", desk_writes.Conclusions.as_view(), name="api-desk-agreement"),
    path("homes/<uuid:home_id>/bills", desk_writes.Bills.as_view(), name="api-desk-bills"),
    path("bills/<int:bill_id>/explanation", desk_writes.BillExplanation.as_view(), name="api-desk-explain-bill"),
    path("bills/<int:bill_id>/payment", desk_writes.BillPayment.as_view(), name="api-desk-pay-bill"),
    path("payouts", desk_writes.PayoutsDue.as_view(), name="api-desk-payouts"),
    path("payouts/send", desk_writes.PayoutsSent.as_view(), name="api-desk-send-payouts"),
    path("payouts/<int:payout_id>/outcome", desk_writes.PayoutOutcome.as_view(), name="api-desk-payout-outcome"),
    path("readings/<int:quarantine_id>/answer", desk_writes.ReadingAnswer.as_view(), name="api-desk-answer-reading"),
    path("questions/<int:question_id>/answer", desk_writes.QuestionAnswer.as_view(), name="api-desk-answer-question"),
]
