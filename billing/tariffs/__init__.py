"""Tariffs: OpenEI URDB v8 documents with our explicit fields, checked at publication, parsed into frozen values."""

from billing.tariffs.canonical import canonical, sha256
from billing.tariffs.checks import check, parse
from billing.tariffs.dates import end_of, start_of
from billing.tariffs.document import Component, Rounding, Tariff
from billing.tariffs.fields import Problem, UnsupportedTariff
from billing.tariffs.seeds import seed_document, seed_names

__all__ = [
    "Component",
    "Problem",
    "Rounding",
    "Tariff",
    "UnsupportedTariff",
    "canonical",
    "check",
    "end_of",
    "parse",
    "seed_document",
    "seed_names",
    "sha256",
    "start_of",
]
