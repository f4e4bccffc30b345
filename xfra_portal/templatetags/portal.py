"""Template filters: figures, ages and state marks. The figures come from xfra_portal.formats."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.conf import settings
from django.template import Context
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from telemetry.attention import Row, cost_words
from telemetry.explanation import Sentence
from xfra_portal import bill_words, formats
from xfra_portal.homeowner.cases import CASES

register = template.Library()

for _name in (
    "watts",
    "watt_hours",
    "bits_per_second",
    "ratio",
    "fine_ratio",
    "celsius",
    "amperes",
    "milliseconds",
    "decibels",
    "loudness",
    "hours",
    "hertz",
    "gibibytes",
    "duration",
    "dollars",
    "change_dollars",
    "about_dollars",
    "rate",
    "quantity",
    "plain",
):
    register.filter(_name, getattr(formats, _name))

STATE_WORDS = {
    "working": "Working",
    "slower": "Slower",
    "making_room": "Making room",
    "paused": "Paused",
    "service": "Being serviced",
    "down": "Down",
    "unknown": "Unknown",
}

CAUSE_WORDS = {
    "": "",
    "heat": "staying cool",
    "power_limit": "its power limit",
    "missing_gpus": "GPUs missing",
    "headroom": "room for the home",
    "grid_event": "the utility asked",
    "outage": "grid down",
    "host_pause": "by the household",
    "operator": "by an operator",
    "visit": "a visit is open",
    "silent": "silent",
    "silent_line_up": "silent, its line up",
    "late": "what it sends is old",
    "no_readings": "no readings in what it sends",
    "no_gpus": "no GPU works",
    "never_heard": "never heard",
    "not_judged": "the portal is behind",
}
"""Of telemetry.node_state.Cause, short enough for a table; the API's schema has whole sentences."""

# One shape for each state, on a 20 x 20 field, so that none is told by colour alone.
_SHAPES = {
    "working": '<circle cx="10" cy="10" r="8" fill="currentColor"/>'
    '<path d="m6 10 3 3 5-6" fill="none" stroke="var(--color-surface)" stroke-width="2"/>',
    "slower": '<path d="M10 2 19 17H1z" fill="currentColor"/>'
    '<path d="M10 7v5m0 2v1.5" stroke="var(--color-surface)" stroke-width="2"/>',
    "making_room": '<path d="M2 10 8 4v4h10v4H8v4z" fill="currentColor"/>',
    "paused": '<path d="M4 3h4v14H4zM12 3h4v14h-4z" fill="currentColor"/>',
    "service": '<path d="M10 2l8 8-8 8-8-8z" fill="currentColor"/>'
    '<path d="M10 6v8M6 10h8" stroke="var(--color-surface)" stroke-width="2"/>',
    "down": '<path d="M3 3h14v14H3z" fill="currentColor"/>'
    '<path d="m6.5 6.5 7 7m0-7-7 7" stroke="var(--color-surface)" stroke-width="2"/>',
    "unknown": '<circle cx="10" cy="10" r="7.5" fill="none" stroke="currentColor" stroke-width="2"'
    ' stroke-dasharray="3 2.5"/><path d="M8 8a2 2 0 1 1 2.5 2l-.5 1.5m0 1.5v1" fill="none"'
    ' stroke="currentColor" stroke-width="1.5"/>',
}


@register.filter
def value(reading: Any) -> float | None:
    """The number of a reading; None when it is unknown, which in a template is a null or a missing name."""
    return reading["value"] if isinstance(reading, dict) else None


@register.filter
def cause_words(cause: str) -> str:
    """A state's cause as a table says it; a new one that has no words yet as its code, without underscores."""
    return CAUSE_WORDS.get(str(cause), str(cause).replace("_", " "))


@register.filter
def span_length(span: Any) -> str:
    """How long a node was in a state, or has been so far."""
    return formats.duration(((span.end or timezone.now()) - span.start).total_seconds())


@register.filter
def owed(cents: int) -> str:
    """The size of what somebody owes, when the sentence says who."""
    return formats.dollars(abs(cents))


@register.filter
def about_owed(cents: int) -> str:
    return formats.about_dollars(abs(cents))


@register.filter
def whole(number: int) -> str:
    """2976 -> 2,976."""
    return f"{number:,}"


@register.filter
def price(dollars_each: Decimal) -> str:
    return formats.rate(dollars_each, "kWh")


@register.simple_tag
def difference(now: int, was: int) -> str:
    return formats.change_dollars(now - was)


@register.simple_tag
def negated(cents: int) -> str:
    """A credit balance as what is owed."""
    return formats.dollars(-cents)


@register.simple_tag
def product(line: Any) -> str:
    """quantity x rate of a line on the whole bill; empty for one that is no product."""
    if line.rate is None or line.quantity_with is None:
        return ""
    return f"{formats.quantity(line.quantity_with, line.unit)} × {formats.rate(line.rate, line.unit)}"


@register.filter
def thousandths(number: int) -> str:
    """Wh as kWh, W as kW, to the last digit: 12345 -> 12.345."""
    return f"{number / 1000:,.3f}"


@register.filter
def unshouted(name: str) -> str:
    """A name written in capitals throughout, as documents of utilities have it, as a sentence would have it."""
    return name.capitalize() if name.isupper() and " " in name else name


@register.simple_tag
def month(period: Any) -> str:
    """A billing period's name."""
    return bill_words.month_name(period.start, period.end)


@register.filter
def state_word(state: str) -> str:
    return STATE_WORDS.get(state, "Unknown")


@register.simple_tag
def state_mark(state: str) -> SafeString:
    """The state's shape. Decorative: the word stands beside it."""
    shape = mark_safe(_SHAPES.get(state, _SHAPES["unknown"]))  # noqa: S308  (constants of this module)
    return format_html('<svg class="state-mark" viewBox="0 0 20 20" aria-hidden="true">{}</svg>', shape)


@register.simple_tag
def cost_of_waiting(row: Row) -> str:
    return cost_words(row, settings.GPU_HOUR_DOLLARS)


@register.simple_tag
def gpu_hour_price() -> str:
    return f"${settings.GPU_HOUR_DOLLARS:,.2f}"


@register.simple_tag
def sentence(told: Sentence) -> SafeString:
    """An operator's sentence, its figures kept current with those of the page."""
    figures = {
        name: format_html(
            '<span data-bind="{}" data-format="{}">{}</span>', one.path, one.unit, getattr(formats, one.unit)(one.value)
        )
        for name, one in told.figures.items()
    }
    return format_html(escape(told.words), **figures) if figures else escape(told.words)


@register.simple_tag(takes_context=True)
def told(
    context: Context, about: str, bind: str = "", unit: str = "", element: str = "span", **words: str
) -> SafeString:
    """The one of these sentences that is true (`cases`), with all of them at hand for the page to stay true.

    `{}` in a sentence is the figure at the live path `bind`, written as its `unit` is. Raises ValueError where a case
    has no sentence.
    """
    if words.keys() != CASES[about]:
        raise ValueError(f"{about} needs a sentence for each of {', '.join(sorted(CASES[about]))}")
    case = context["cases"][about]
    figure = getattr(formats, unit)(_at(context["live"], bind)) if bind else ""
    binding = format_html(' data-figure="{}" data-unit="{}"', bind, unit) if bind else ""
    at_hand = format_html_join("", ' data-{}="{}"', words.items())
    text = words[case].replace("{}", figure)
    return format_html(
        '<{0} data-told="{1}" data-case="{2}"{3}{4}>{5}</{0}>', element, about, case, binding, at_hand, text
    )


def _at(live: Any, path: str) -> float | None:
    found = live
    for key in path.split("."):
        found = found[key]
    return value(found) if isinstance(found, dict) else found


@register.filter
def part(ratio: float) -> str:
    """A share that is not nought: 0.714 -> 71 %; 0.002 -> less than 1 %."""
    return formats.ratio(ratio) if ratio >= 0.005 else "less than 1 %"


@register.filter(expects_localtime=True)
def moment(at: datetime) -> str:
    """Tue 24 Nov, 6:02 pm, where the page is."""
    return f"{at:%a} {at.day} {at:%b}, {formats.clock(at)}"


@register.simple_tag
def stamp(at: datetime, zone: str = "", parts: str = "") -> SafeString:
    """`<time>` of an instant in the console, which its reader has told on one clock of three (static/.../clock.js).

    Written in UTC, with the home's own time in the tooltip where a zone is given; `parts` may name `weekday`, `year`
    and `second`.
    """
    said = f"{_stamped(at.astimezone(UTC), parts)} UTC"
    local = f"{_stamped(at.astimezone(ZoneInfo(zone)), parts)} at the home, " if zone else ""
    return format_html(
        '<time class="stamp" datetime="{}" data-zone="{}" data-parts="{}" title="{}{}">{}</time>',
        at.astimezone(UTC).isoformat(),
        zone,
        parts,
        local,
        said,
        said,
    )


def _stamped(at: datetime, parts: str) -> str:
    weekday = f"{at:%a} " if "weekday" in parts else ""
    year = f" {at.year}" if "year" in parts else ""
    return (
        f"{weekday}{at.day} {at:%b}{year} {at:%H:%M:%S}"
        if "second" in parts
        else f"{weekday}{at.day} {at:%b}{year} {at:%H:%M}"
    )


@register.simple_tag
def age(at: datetime | str | None, prefix: str = "", bound: str = "") -> SafeString:
    """`<time>` that says how old something is and keeps saying it. `bound` names the live path of its instant."""
    instant = parse_datetime(at) if isinstance(at, str) else at
    seconds = (timezone.now() - instant).total_seconds() if instant else None
    text = f"{prefix} {formats.age(seconds)}".strip()
    iso = instant.isoformat() if instant else ""
    binding = format_html(' data-bind-at="{}"', bound) if bound else ""
    return format_html('<time class="age" data-age="{}" datetime="{}"{}>{}</time>', prefix, iso, binding, text)
