"""Figures as people read them; the browser test compares format.js with these."""

from __future__ import annotations

import pytest

from xfra_portal import formats

CASES = [
    ("watts", None, "unknown"),
    ("watts", 0, "0 W"),
    ("watts", 620, "620 W"),
    ("watts", 999.6, "1.0 kW"),
    ("watts", 12_100, "12.1 kW"),
    ("watts", -620, "−620 W"),
    ("watts", -0.4, "0 W"),
    ("watts", 23_400_000, "23.40 MW"),
    ("watt_hours", 5_312, "5.3 kWh"),
    ("watt_hours", 9_123_000, "9,123 kWh"),
    ("bits_per_second", 940e6, "940 Mb/s"),
    ("bits_per_second", 1.25e9, "1.3 Gb/s"),
    ("ratio", 0.945, "95 %"),
    ("fine_ratio", 0.9997, "99.97 %"),
    ("celsius", 41.4, "41 °C"),
    ("milliseconds", 0.0123, "12 ms"),
    ("hours", 11.2, "11 h"),
    ("loudness", 55, "like a quiet talk"),
    ("loudness", 90, "like a vacuum cleaner"),
    ("loudness", None, "unknown"),
    ("hours", 0.6, "36 min"),
    ("duration", 2280, "38 minutes"),
    ("duration", 7500, "2 hours 5 minutes"),
    ("duration", 60, "1 minute"),
    ("duration", 259_200, "3 days"),
    ("age", 1.6, "2 s ago"),
    ("age", 360, "6 minutes ago"),
    ("age", 3600, "1 hour ago"),
    ("age", None, "never"),
]


@pytest.mark.parametrize(("name", "value", "text"), CASES)
def test_figure(name: str, value: float | None, text: str) -> None:
    assert getattr(formats, name)(value) == text


def test_dark_values_are_the_same_by_system_and_by_choice() -> None:
    """tokens.css writes the dark theme twice: for systems that are dark and for people who chose it."""
    from pathlib import Path

    text = (Path(formats.__file__).parent / "static/xfra_portal/css/tokens.css").read_text()
    by_system = text.split(':root:not([data-theme="light"]) {')[1].split("}")[0]
    by_choice = text.split(':root[data-theme="dark"] {')[1].split("}")[0]
    assert by_system.split() == by_choice.split()
