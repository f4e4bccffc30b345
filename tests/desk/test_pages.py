"""Every page of the desk with data and without, and what its forms refuse."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from billing import payouts, questions, tariff_book
from billing.models import (
    Agreement,
    Channel,
    DeskAction,
    Payout,
    Quarantine,
    Reconciliation,
    Source,
    Statement,
    StatementQuestion,
    TariffAssignment,
    TariffVersion,
)
from homes.access import acting_as_system
from tests.billing import months
from tests.billing.documents import as_json  # noqa: F401
from tests.cast import Cast, needs_database
from tests.desk.forms import errors, send

pytestmark = needs_database
