"""Rating: from quarter-hours to exact segments, with and without the node. No Django, no clock, no database."""

from billing.rating.demand_plans import UnevenClock
from billing.rating.engine import ENGINE_VERSION, input_hash, rate, rate_many, rate_pair
from billing.rating.facts import NO_FACTS, Facts, History, MissingFacts
from billing.rating.lines import round_lines
from billing.rating.period import TZDATA_VERSION, Period, UnknownZone
from billing.rating.plans import UntiledPeriod
from billing.rating.segments import PairedRating, Rating, Segment, TariffSpan
from billing.rating.usage import UnusableUsage, Usage
from billing.tariffs.document import Component

__all__ = [
    "ENGINE_VERSION",
    "NO_FACTS",
    "TZDATA_VERSION",
    "Component",
    "Facts",
    "History",
    "MissingFacts",
    "PairedRating",
    "Period",
    "Rating",
    "Segment",
    "TariffSpan",
    "UnevenClock",
    "UnknownZone",
    "UntiledPeriod",
    "UnusableUsage",
    "Usage",
    "input_hash",
    "rate",
    "rate_many",
    "rate_pair",
    "round_lines",
]
