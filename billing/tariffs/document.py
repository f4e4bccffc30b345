"""A tariff as rating sees it: frozen, complete, every number a Decimal. Made by `parse` alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Component(StrEnum):
    """What a segment of a bill is for."""

    ENERGY = "energy"
    EXPORT = "export"
    DEMAND_FLAT = "demand_flat"
    DEMAND_TOU = "demand_tou"
    FIXED = "fixed"
    RIDER = "rider"
    MINIMUM = "minimum"
    TAX = "tax"
    CREDIT = "credit"


class TierBasis(StrEnum):
    """How kWh of several time-of-use periods fill the tiers; URDB does not say."""

    PROPORTIONAL = "proportional"
    """All kWh count together; each period has its share of every tier."""
    CHRONOLOGICAL = "chronological"
    """All kWh count together, in the order in which they were used."""
    PER_PERIOD = "per_period"
    """Each period fills tiers of its own."""


class TierUnit(StrEnum):
    """What a tier's `max` counts; "per kW" is multiplied by the highest demand, "daily" by the days."""

    KWH = "kWh"
    KWH_PER_KW = "kWh/kW"
    KWH_DAILY = "kWh daily"
    KWH_PER_KW_DAILY = "kWh/kW daily"

    @property
    def is_per_kw(self) -> bool:
        return self in (TierUnit.KWH_PER_KW, TierUnit.KWH_PER_KW_DAILY)

    @property
    def is_daily(self) -> bool:
        return self in (TierUnit.KWH_DAILY, TierUnit.KWH_PER_KW_DAILY)


class ChargeUnit(StrEnum):
    DAY = "$/day"
    MONTH = "$/month"
    YEAR = "$/year"


class Proration(StrEnum):
    """What a part of a billing cycle pays or gets of something that is meant for a whole one."""

    DAYS = "days"
    WHOLE = "whole"
    """The part that holds the period's last day is charged all of it, others nothing; each part has whole tiers."""


class Rounding(StrEnum):
    TOTAL = "total"
    LINE = "line"


class ExportRule(StrEnum):
    NONE = "none"
    """What is exported earns nothing."""
    NET_METERING = "net_metering"
    """Import and export are netted per time-of-use period over the billing period."""
    NET_BILLING = "net_billing"
    """What is imported is bought, what is exported is sold, in each netting interval."""
    BUY_ALL_SELL_ALL = "buy_all_sell_all"
    """All that the home uses is bought, all that its panels make is sold."""


class Netting(StrEnum):
    INTERVAL = "interval"
    HOURLY = "hourly"


class Surplus(StrEnum):
    """What becomes of a period's surplus under net metering."""

    CARRY = "carry"
    """It is kWh of the same period in the next billing period."""
    CREDIT = "credit"
    """It is paid at the period's `sell`."""
    FORFEIT = "forfeit"


@dataclass(frozen=True, slots=True)
class Tier:
    """`upper` bounds the tier from above, None for the last; `rate` includes the standard's `adj`."""

    upper: Decimal | None
    rate: Decimal


@dataclass(frozen=True, slots=True)
class EnergyPeriod:
    tiers: tuple[Tier, ...]
    unit: TierUnit
    sell: Decimal | None

    @property
    def uppers(self) -> tuple[Decimal, ...]:
        return tuple(tier.upper for tier in self.tiers if tier.upper is not None)


@dataclass(frozen=True, slots=True)
class Schedule:
    """[month 0-11][hour 0-23] -> period, for weekdays and for weekends."""

    weekday: tuple[tuple[int, ...], ...]
    weekend: tuple[tuple[int, ...], ...]

    def periods_of_month(self, month: int) -> set[int]:
        return {*self.weekday[month], *self.weekend[month]}


@dataclass(frozen=True, slots=True)
class Holidays:
    """Days that follow the weekend schedule: by rule, moved as `observed` says, and by date."""

    rules: tuple[str, ...] = ()
    observed: str = "actual"
    dates: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Ratchet:
    """Billing demand is at least `shares[month]` of the highest demand looked back upon.

    Looked back upon are the last `months_back` months, or of the last twelve those marked in `months`.
    """

    shares: tuple[Decimal, ...]
    months_back: int
    months: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand charges. `minutes` is what a demand is averaged over; sliding intervals start each quarter-hour."""

    minutes: int
    is_sliding: bool
    flat: tuple[tuple[Tier, ...], ...]
    flat_months: tuple[int, ...]
    tou: tuple[tuple[Tier, ...], ...]
    tou_schedule: Schedule | None
    ratchet: Ratchet | None


@dataclass(frozen=True, slots=True)
class Charge:
    amount: Decimal
    unit: ChargeUnit


@dataclass(frozen=True, slots=True)
class Adder:
    """A rider, tax or credit: exactly one of the four amounts is given. Credits are positive here.

    `months` (1-12) are those in which it applies; `on` the components that a `share` is of.
    """

    name: str
    months: tuple[int, ...]
    per_kwh: Decimal | None = None
    per_day: Decimal | None = None
    per_month: Decimal | None = None
    share: Decimal | None = None
    on: tuple[Component, ...] = ()


@dataclass(frozen=True, slots=True)
class Export:
    rule: ExportRule
    netting: Netting
    surplus: Surplus


@dataclass(frozen=True, slots=True)
class Prorations:
    fixed: Proration
    tiers: Proration
    demand: Proration
    minimum: Proration


@dataclass(frozen=True, slots=True, eq=False)
class Tariff:
    """Equal to another if their documents are: `sha256` is of the canonical document."""

    sha256: str
    name: str
    utility: str
    energy: tuple[EnergyPeriod, ...]
    schedule: Schedule
    tier_basis: TierBasis
    holidays: Holidays
    demand: Demand | None
    per_kw_interval: tuple[int, bool] | None
    """Minutes, and whether they slide, of the demand that kWh/kW tiers are multiplied by."""
    fixed: Charge | None
    minimum: Charge | None
    annual_minimum: Decimal | None
    fuel_by_month: tuple[Decimal, ...]
    """$/kWh by calendar month; empty where there is none."""
    riders: tuple[Adder, ...]
    taxes: tuple[Adder, ...]
    credits: tuple[Adder, ...]
    export: Export
    proration: Prorations
    rounding: Rounding

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tariff) and other.sha256 == self.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)
