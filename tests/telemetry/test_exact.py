"""Counters whose decimals an engine cuts off come back bit for bit."""

from __future__ import annotations

import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from telemetry.store.exact import mantissas, restore

COUNTERS = st.floats(min_value=0, max_value=1e18, allow_subnormal=False)


def bits(values: np.ndarray) -> list[bytes]:
    return [struct.pack("<d", value) for value in values.tolist()]


@given(st.lists(st.one_of(COUNTERS, COUNTERS.map(lambda value: -value), st.just(float("nan"))), max_size=20))
def test_from_what_is_left_after_rounding(values: list[float]) -> None:
    sent = np.array(values, np.float64)
    extra = mantissas(sent)
    assert np.array_equal(extra[~np.isnan(extra)], np.rint(extra[~np.isnan(extra)])), "integers survive everywhere"
    assert not (extra[~np.isnan(extra)] >= 2**53).any()
    for digits in (2, 4, 12, 15):
        came = np.array([float(f"%.{digits}g" % value) for value in values])
        short = np.isnan(extra)
        came[short] = sent[short]
        assert bits(restore(came, extra)) == bits(sent)


def test_usual_counters_need_nothing_extra() -> None:
    usual = np.array([0.0, 1.0, 2.0**53, 123_456_789.012, 1e10 + 0.25, 12.5, 1e15])
    assert np.isnan(mantissas(usual)).all()
    unusual = np.array([1 / 3, 12_345.678901234, 1e12 + 0.001, 3e17 + 64])
    assert not np.isnan(mantissas(unusual)).any()
