"""What meters said and what was made of it. One writer: billing.readings. The rules in SQL: billing.rules.readings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.postgres.fields import ArrayField
from django.db import models

from homes.models import Home, User


class Channel(models.TextChoices):
    """What flows past a meter, each direction by itself, so that no reading is negative."""

    SITE_IMPORT = "site_import", "From the grid"
    SITE_EXPORT = "site_export", "To the grid"
    NODE = "node", "Node"
    BATTERY_IN = "battery_in", "Into the battery"
    BATTERY_OUT = "battery_out", "Out of the battery"
    SOLAR = "solar", "Solar"


class Source(models.TextChoices):
    """Who measured. Each keeps versions of its own; for a site channel the utility's count before the panel's."""

    PANEL = "panel", "The panel's registers"
    UTILITY = "utility", "The utility's file"


def _known(name: str, field: str, choices: type[models.TextChoices]) -> models.CheckConstraint:
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": choices.values}), name=name)


class RawMessage(models.Model):
    """Something that a meter or a utility said, as sent: known by `key`, so that the same again is nothing new.

    A panel's message is the register values around the quarter-hours of a local day (intervals.evidence). Only
    `body` may ever change, and only to nothing: a file may hold somebody's name, who may ask for it to be erased.
    """

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="raw_messages")
    source = models.CharField(max_length=8, choices=Source)
    key = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200, blank=True)
    on = models.DateField(null=True, blank=True)
    body = models.BinaryField(null=True)
    received_at = models.DateTimeField(auto_now_add=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            _known("raw_message_source_known", "source", Source),
            models.CheckConstraint(
                condition=models.Q(body__isnull=False) ^ models.Q(erased_at__isnull=False), name="raw_message_or_erased"
            ),
        ]
        indexes = [models.Index(fields=["home", "on", "-id"], name="raw_message_of_day")]

    if TYPE_CHECKING:
        home_id: object

    def __str__(self) -> str:
        return f"{self.source} {self.key[:12]}"


class Reading(models.Model):
    """One local day of a channel, as known at one time: a version, never changed, the next one counted on.

    `wh` and `qualities` (one of intervals.quality's letters each) have an entry for each quarter-hour of the day:
    92, 96 or 100, and 94 or 98 where clocks change by half an hour.
    `wh` is 0 where nothing is known, which the quality tells from a measured 0.
    """

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="readings")
    channel = models.CharField(max_length=12, choices=Channel)
    source = models.CharField(max_length=8, choices=Source)
    on = models.DateField()
    version = models.PositiveSmallIntegerField()
    wh = ArrayField(models.IntegerField())
    qualities = models.CharField(max_length=100)
    message = models.ForeignKey(RawMessage, on_delete=models.PROTECT, null=True, related_name="readings")
    known_at = models.DateTimeField(auto_now_add=True)

    if TYPE_CHECKING:
        home_id: object
        message_id: int | None

    class Meta:
        ordering = ["home", "channel", "source", "on", "version"]
        constraints = [
            models.UniqueConstraint(fields=["home", "channel", "source", "on", "version"], name="reading_version_once"),
            _known("reading_channel_known", "channel", Channel),
            _known("reading_source_known", "source", Source),
        ]

    def __str__(self) -> str:
        return f"{self.channel} of {self.home_id} on {self.on}, version {self.version}"


class Quarantine(models.Model):
    """A question for a person: a stretch of quarter-hours whose values nobody believes yet.

    `wh` is what would have been read in each, empty where that cannot be told. Accepting takes it, with a reason;
    discarding leaves the stretch unknown.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        ACCEPTED = "accepted", "Accepted"
        DISCARDED = "discarded", "Discarded"

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="quarantines")
    channel = models.CharField(max_length=12, choices=Channel)
    source = models.CharField(max_length=8, choices=Source)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    wh = ArrayField(models.IntegerField(), default=list)
    problem = models.CharField(max_length=24)
    detail = models.CharField(max_length=300)
    message = models.ForeignKey(RawMessage, on_delete=models.PROTECT, null=True, related_name="quarantines")
    opened_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    reason = models.CharField(max_length=300, blank=True)
    resolved_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    resolved_at = models.DateTimeField(null=True)

    if TYPE_CHECKING:
        home_id: object

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["home", "channel", "source", "started_at", "ended_at", "problem", "wh"],
                condition=models.Q(state="open"),
                name="quarantine_asked_once",
            ),
            _known("quarantine_channel_known", "channel", Channel),
            _known("quarantine_source_known", "source", Source),
            models.CheckConstraint(
                condition=models.Q(state__in=["open", "accepted", "discarded"]), name="quarantine_state_known"
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at__gt=models.F("started_at")), name="quarantine_has_length"
            ),
            models.CheckConstraint(
                condition=models.Q(state="open", resolved_at=None, resolved_by=None, reason="")
                | (~models.Q(state="open") & models.Q(resolved_at__isnull=False) & ~models.Q(reason="")),
                name="quarantine_resolved_with_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["home", "started_at"], name="quarantine_of_home")]

    def __str__(self) -> str:
        return f"{self.problem} on {self.channel} of {self.home_id} from {self.started_at}"


class DeviceEpoch(models.Model):
    """From `started_at` on a channel's register belongs to another device, or counts modulo something else.

    `closing_joules` is the last word of the register before, `opening_joules` the first of the one after. Rows are
    never changed: for the same start the one recorded last counts, and one that is `withdrawn` says it was a mistake.
    """

    home = models.ForeignKey(Home, on_delete=models.PROTECT, related_name="device_epochs")
    channel = models.CharField(max_length=12, choices=Channel)
    started_at = models.DateTimeField()
    device = models.CharField(max_length=60, blank=True)
    closing_joules = models.FloatField(null=True)
    opening_joules = models.FloatField(null=True)
    modulus_wh = models.BigIntegerField(null=True)
    withdrawn = models.BooleanField(default=False)
    recorded_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["home", "channel", "started_at", "id"]
        indexes = [models.Index(fields=["home", "channel", "started_at"], name="device_epoch_order")]
        constraints = [
            _known("device_epoch_channel_known", "channel", Channel),
            models.CheckConstraint(
                condition=models.Q(modulus_wh=None) | models.Q(modulus_wh__gt=0), name="device_epoch_modulus_counts"
            ),
            models.CheckConstraint(
                condition=models.Q(closing_joules=None, opening_joules=None)
                | models.Q(closing_joules__gte=0, opening_joules__gte=0),
                name="device_epoch_both_words",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.channel} of {self.home_id} from {self.started_at}"


class FeedCursor(models.Model):
    """How far billing has followed a feed of telemetry. One row per feed; only forward."""

    feed = models.CharField(max_length=20, primary_key=True)
    position = models.CharField(max_length=60)
    moved_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.feed}: {self.position}"


class DueDay(models.Model):
    """A local day of a home whose registers changed: its readings are computed when the day is over."""

    home = models.ForeignKey(Home, on_delete=models.CASCADE, related_name="+")
    on = models.DateField()
    ended_at = models.DateTimeField()
    noted_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["home", "on"], name="due_day_once")]
        indexes = [models.Index(fields=["ended_at"], name="due_day_order")]

    def __str__(self) -> str:
        return f"{self.home_id} on {self.on}"
