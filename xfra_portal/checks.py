"""System checks: what a deployment gets wrong most often, each naming its remedy."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, register
from django.core.checks import Warning as Caution

from telemetry.known_series import SERIES_BUDGET
from telemetry.pace import BURST_SECONDS
from telemetry.partitions import MOST_RAW_HOURS
from telemetry.store.addresses import Addresses
from xfra_portal import environment


@register()
def addresses_are_given(**kwargs: Any) -> list[CheckMessage]:
    """Without these nothing works, and a default would only hide it."""
    needed = {
        "DATABASE_URL": environment.DATABASE_URL,
        "DATABASE_OWNER_URL": environment.DATABASE_OWNER_URL,
        "REDIS_URL": environment.REDIS_URL,
    }
    return [
        Error(
            f"{name} is not set.",
            hint=f"Set {name}, or run `make run`, which writes it to .local/env.",
            id=f"xfra.E00{i}",
        )
        for i, (name, value) in enumerate(needed.items(), start=1)
        if not value
    ]


@register()
def roles_differ(**kwargs: Any) -> list[CheckMessage]:
    owner, application = settings.DATABASES["owner"]["USER"], settings.DATABASES["default"]["USER"]
    if environment.DATABASE_URL and owner == application:
        return [
            Error(
                "DATABASE_URL and DATABASE_OWNER_URL use the same role, so row-level security guards nothing.",
                hint="Give DATABASE_URL a role that owns no table; see docs/operations.md.",
                id="xfra.E004",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def profile_is_production(**kwargs: Any) -> list[CheckMessage]:
    if settings.PROFILE != "production":
        return [
            Caution(
                f"The profile is {settings.PROFILE!r}: operators may sign in without a second factor.",
                hint="Set XFRA_PROFILE=production.",
                id="xfra.W001",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def ingest_has_room(**kwargs: Any) -> list[CheckMessage]:
    if settings.RAW_RETENTION_HOURS < 48:
        return [
            Error(
                "XFRA_RAW_RETENTION_HOURS is below 48: nodes may deliver samples 48 hours late.",
                hint="Set XFRA_RAW_RETENTION_HOURS to 48 or more.",
                id="xfra.E005",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def nodes_share_the_stream(**kwargs: Any) -> list[CheckMessage]:
    shard = settings.INGEST_STREAM_BYTES / settings.INGEST_SHARDS
    at_once = settings.NODE_BYTES_PER_SECOND * BURST_SECONDS
    if not settings.NODE_SAMPLES_PER_SECOND or not at_once or at_once > shard / 2:
        return [
            Caution(
                "One node may fill the ingest stream of all that share its shard.",
                hint="Set XFRA_NODE_SAMPLES_PER_SECOND and XFRA_NODE_BYTES_PER_SECOND (0 is no limit), the latter to"
                f" at most {shard / 2 / BURST_SECONDS:.0f}, or give XFRA_INGEST_STREAM_BYTES more.",
                id="xfra.W002",
            )
        ]
    if settings.NODE_SAMPLES_PER_SECOND < SERIES_BUDGET:
        return [
            Error(
                f"XFRA_NODE_SAMPLES_PER_SECOND is below {SERIES_BUDGET}: a node may have as many series, each second.",
                hint=f"Set it to several times {SERIES_BUDGET}; what is above is for catching up.",
                id="xfra.E007",
            )
        ]
    return []


@register()
def minutes_outlive_raw_samples(**kwargs: Any) -> list[CheckMessage]:
    """Not only of a deployment: a late sample would replace an hour by what one of its minutes says."""
    if settings.RAW_RETENTION_HOURS > MOST_RAW_HOURS:
        return [
            Error(
                f"XFRA_RAW_RETENTION_HOURS is above {MOST_RAW_HOURS}: rollups of minutes would go before the samples"
                " that they are made from.",
                hint=f"Set XFRA_RAW_RETENTION_HOURS to {MOST_RAW_HOURS} or less; SAMPLES_URL keeps raw samples for"
                " longer, see docs/scale.md.",
                id="xfra.E010",
            )
        ]
    return []


@register()
def samples_have_an_address(**kwargs: Any) -> list[CheckMessage]:
    try:
        _ = Addresses.parse(settings.SAMPLES_URL) if settings.SAMPLES_URL else None
    except ValueError as error:
        return [
            Error(
                f"SAMPLES_URL cannot be used: {error}.",
                hint="Leave it empty, or give the engine's base (http://host:8428), or its remote-write address and"
                " the base of its query API with a space between; see docs/scale.md.",
                id="xfra.E006",
            )
        ]
    return []


@register(deploy=True)
def disks_are_watched(**kwargs: Any) -> list[CheckMessage]:
    if not settings.DISK_FOLDERS:
        return [
            Info(
                "No disk is watched: the door takes samples in until Postgres or Redis fail for want of space.",
                hint="Set XFRA_DISK_FOLDERS to the folders of their data, where a worker can see them.",
                id="xfra.I001",
            )
        ]
    return []
