"""Reads which nodes to simulate, and their tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_nodes(path: Path) -> dict[str, str]:
    """Token by hostname, from `{"nodes": [{"hostname", "token"}, ...]}` or `{"xfra-00000": "token", ...}`."""
    data: Any = json.loads(path.read_text())
    if not isinstance(data, dict):
        raise ValueError(f"{path} is not a JSON object")
    nodes = data.get("nodes", data)
    if isinstance(nodes, list):
        nodes = {node["hostname"]: node["token"] for node in nodes}
    if not nodes or not all(isinstance(token, str) for token in nodes.values()):
        raise ValueError(f"{path} names no nodes with tokens")
    return dict(nodes)
