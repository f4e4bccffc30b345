from billing.models.agreements import Agreement, Payer, Settlement
from billing.models.books import BooksCheck
from billing.models.closes import Close, CloseItem
from billing.models.desk_actions import DeskAction
from billing.models.ledger import Account, Code, Entry, Posting
from billing.models.notices import Notice
from billing.models.payouts import Payout
from billing.models.questions import StatementQuestion
from billing.models.readings import Channel, DeviceEpoch, DueDay, FeedCursor, Quarantine, RawMessage, Reading, Source
from billing.models.requests import KeyedRequest
from billing.models.runs import BillingPeriod, RatingRun, Segment, Side
from billing.models.statements import ChainKey, ChainLink, Section, Statement, StatementLine
from billing.models.tariffs import Tariff, TariffAssignment, TariffVersion
from billing.models.taxes import TaxThreshold
from billing.models.utility_bills import Reconciliation, UtilityBill

__all__ = [
    "Account",
    "Agreement",
    "BillingPeriod",
    "BooksCheck",
    "ChainKey",
    "ChainLink",
    "Channel",
    "Close",
    "CloseItem",
    "Code",
    "DeskAction",
    "DeviceEpoch",
    "DueDay",
    "Entry",
    "FeedCursor",
    "KeyedRequest",
    "Notice",
    "Payer",
    "Payout",
    "Posting",
    "Quarantine",
    "RatingRun",
    "RawMessage",
    "Reading",
    "Reconciliation",
    "Section",
    "Segment",
    "Settlement",
    "Side",
    "Source",
    "Statement",
    "StatementLine",
    "StatementQuestion",
    "Tariff",
    "TariffAssignment",
    "TariffVersion",
    "TaxThreshold",
    "UtilityBill",
]
