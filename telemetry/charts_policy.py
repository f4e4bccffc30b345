"""Content-Security-Policy for pages that draw Plotly: one known style attribute is let through, nothing else."""

from __future__ import annotations

from typing import Any, Final

from csp.decorators import csp_update

_PROBE: Final = "'sha256-ji27qzEtxXZW+7dun6UwjHXJ18e6WAin1VvNtkzIE/o='"
"""plotly.js tests whether images can be pixelated with this very attribute; it is never seen."""

draws_charts: Any = csp_update({"style-src": ["'unsafe-hashes'", _PROBE]})
