"""The one filter of the API reference's page."""

from __future__ import annotations

import re
from typing import Final

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()
_CODE: Final = re.compile(r"`([^`]+)`")


@register.filter
def codes(text: str) -> SafeString:
    """What is between backticks as code; everything escaped."""
    return mark_safe(_CODE.sub(r"<code>\1</code>", escape(text)))  # noqa: S308 (escaped before)
