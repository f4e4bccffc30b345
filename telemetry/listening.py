"""Since when the portal listens without a gap, by shard: only then is silence somebody else's.

While the doors are shut, while something waits to be stored and while nobody looks, silence is the portal's own. When
that is over nodes have SILENCE_SECONDS to come back: as long as senders wait between two tries, at most.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import redis
from django.conf import settings

from telemetry import room
from telemetry.node_state import SILENCE_SECONDS
from telemetry.stream import Drain, Keys

BACKLOG_SECONDS: Final = 10.0
"""What waits for longer than this waits for want of a drain that keeps up."""
GAP_SECONDS: Final = 20
"""Several turns of beat: after so long without a look nobody has been listening."""


def judgeable(client: redis.Redis, now: datetime) -> dict[int, datetime]:
    """The shards whose nodes can be told silent, and up to when all that came from them has been stored.

    To be asked regularly: asking is what listens. Raises redis.RedisError where nobody can know.
    """
    if room.shortages(client):
        client.delete(*(_key(shard) for shard in range(settings.INGEST_SHARDS)))
        return {}
    found = {}
    for shard in range(settings.INGEST_SHARDS):
        waits_since = Drain(client, shard).waits_since() or now
        if now - waits_since > timedelta(seconds=BACKLOG_SECONDS):
            client.delete(_key(shard))
        elif now - _since(client, shard, now) >= timedelta(seconds=SILENCE_SECONDS):
            found[shard] = min(waits_since, now)
    return found


def since(client: redis.Redis, shard: int) -> datetime | None:
    """Since when the portal listens to a shard without a gap; None where nobody does. To ask this is not to listen."""
    began: Any = client.get(_key(shard))
    return datetime.fromtimestamp(int(began) / 1000, UTC) if began else None


def _since(client: redis.Redis, shard: int, now: datetime) -> datetime:
    began: Any = client.set(_key(shard), int(now.timestamp() * 1000), nx=True, get=True, ex=GAP_SECONDS)
    if began is None:
        return now
    client.expire(_key(shard), GAP_SECONDS)
    return datetime.fromtimestamp(int(began) / 1000, UTC)


def _key(shard: int) -> str:
    return f"{Keys(shard).stream}:listening"
