from billing.models.agreements import Agreement, Payer, Settlement
from billing.models.closes import Close, CloseItem
from billing.models.ledger import Account, Code, Entry, Posting
from billing.models.notices import Notice
from billing.models.payouts import Payout
from billing.models.runs import BillingPeriod, RatingRun, Segment, Side
from billing.models.statements import ChainKey, ChainLink, Section, Statement, StatementLine
from billing.models.tariffs import Tariff, TariffAssignment, TariffVersion
from billing.models.taxes import TaxThreshold
from billing.models.utility_bills import Reconciliation, UtilityBill

__all__ = [
    "Account",
    "Agreement",
    "BillingPeriod",
    "ChainKey",
    "ChainLink",
    "Close",
    "CloseItem",
    "Code",
    "Entry",
    "Notice",
    "Payer",
    "Payout",
    "Posting",
    "RatingRun",
    "Reconciliation",
    "Section",
    "Segment",
    "Settlement",
    "Side",
    "Statement",
    "StatementLine",
    "Tariff",
    "TariffAssignment",
    "TariffVersion",
    "TaxThreshold",
    "UtilityBill",
]
