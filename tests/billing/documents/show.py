from pathlib import Path
import pytest
from billing.documents.content import content_of
from billing.documents.pdf import statement_pdf
from tests.billing.documents.statements import KINDS
from tests.cast import needs_database

pytestmark = [needs_database, pytest.mark.usefixtures("as_system")]


@pytest.mark.parametrize(
    "kind",
    [
        "rich_november_with_solar",
        "flat_fee_of_a_part_month",
        "tariff_change_within_march",
        "revision",
        "credit_per_kwh",
    ],
)
def test_show(kind, cast):
    from homes.models import Home

    if kind.startswith("rich"):
        Home.objects.update(is_simulated=True)
    s = KINDS[kind](cast)
    c = content_of(s)
    b = statement_pdf(c)
    assert b == statement_pdf(content_of(s))
    Path(f"/tmp/pdf-{kind}.pdf").write_bytes(b)
