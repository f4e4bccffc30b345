"""What samples are called outside, and the one setting that says where outside is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.catalogue import BY_NAME, COLUMNS, Kind
from telemetry.store import names
from telemetry.store.addresses import Addresses
from xfra_portal.checks import samples_have_an_address

_CLASSIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)


def test_every_column_has_a_name_of_its_own() -> None:
    everything = [column for columns in COLUMNS.values() for column in columns]
    called = [name(column) for column in everything for name in (names.metric, names.mantissa_metric)]
    assert len(set(called)) == len(called) == 2 * len(everything)
    assert all(_CLASSIC.fullmatch(name) for name in called)
    assert names.metric(BY_NAME[Kind.GPU]["power_watts"]) == "xfra_gpu_power_watts"
    assert names.metric(BY_NAME[Kind.GPU]["energy_joules"]) == "xfra_gpu_energy_joules_total"


def test_a_family_of_the_nodes_own_passes_for_nobody_elses() -> None:
    labels = {"node": "99", "exported_node": "7", "gpu": "GPU-1", "le": "+Inf"}
    assert names.foreign(3, "xfra_gpu_power_watts", labels) == (
        ("__name__", "exported_xfra_gpu_power_watts"),
        ("exported_exported_node", "99"),
        ("exported_node", "7"),
        ("gpu", "GPU-1"),
        ("le", "+Inf"),
        ("node", "3"),
    )


NAMES = st.text(min_size=1).filter(lambda name: not name.startswith("U__"))


@given(NAMES, NAMES)
def test_names_of_any_letters_stay_apart(one: str, other: str) -> None:
    assert _CLASSIC.fullmatch(names.escape(one))
    assert (names.escape(one) == names.escape(other)) == (one == other)


@pytest.mark.parametrize(
    ("setting", "write", "query"),
    [
        ("http://vm:8428", "http://vm:8428/api/v1/write", "http://vm:8428/api/v1/query"),
        ("https://u:p@vm/one/", "https://u:p@vm/one/api/v1/write", "https://u:p@vm/one/api/v1/query"),
        ("http://m/api/v1/push  http://m/prometheus", "http://m/api/v1/push", "http://m/prometheus/api/v1/query"),
    ],
)
def test_one_setting_says_where_to_write_and_where_to_ask(setting: str, write: str, query: str) -> None:
    assert Addresses.parse(setting) == Addresses(write, query)


@pytest.mark.parametrize("setting", ["vm:8428", "ftp://vm", "http://", "http://a http://b http://c", " "])
def test_the_system_check_names_the_remedy(setting: str, settings: Any) -> None:
    settings.SAMPLES_URL = setting
    (found,) = samples_have_an_address()
    assert found.id == "xfra.E006"
    assert "docs/scale.md" in str(found.hint)
    for fine in ("", "http://vm:8428"):
        settings.SAMPLES_URL = fine
        assert samples_have_an_address() == []
