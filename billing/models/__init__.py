from billing.models.readings import (
    Channel,
    DeviceEpoch,
    DueDay,
    FeedCursor,
    Quarantine,
    RawMessage,
    Reading,
    Source,
)

__all__ = [
    "Channel",
    "DeviceEpoch",
    "DueDay",
    "FeedCursor",
    "Quarantine",
    "RawMessage",
    "Reading",
    "Source",
]
