"""Shapes of answers, for the schema: what each field is, in which unit."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers as s

from homes.models import Membership, OperatorRole
from telemetry.refusals import Reason
from xfra_portal.api import live_shapes, states
from xfra_portal.api.problems import PROBLEM_TYPES
from xfra_portal.homeowner.outages import Ending

ENDINGS = [
    (Ending.OVER.value, "it was up again"),
    (Ending.GOING_ON.value, "it is down now"),
    (Ending.UNKNOWN.value, "nothing has been measured since"),
]


class MembershipSerializer(s.Serializer):
    home = s.UUIDField(source="home_id")
    role = s.ChoiceField(Membership.Role.choices)


class MeSerializer(s.Serializer):
    id = s.IntegerField()
    email = s.EmailField()
    name = s.CharField()
    operator_role = s.ChoiceField(OperatorRole.Role.choices, allow_null=True, help_text="Null: not staff.")
    memberships = MembershipSerializer(many=True)


class AddressSerializer(s.Serializer):
    street = s.CharField()
    city = s.CharField()
    state = s.CharField()
    postal_code = s.CharField()


class HomeSerializer(s.Serializer):
    id = s.UUIDField()
    name = s.CharField()
    timezone = s.CharField(help_text="IANA time zone; days and months of this home are its local ones.")
    utility = s.CharField()
    service_amperes = s.IntegerField()
    usable_amperes = s.FloatField(help_text="80 % of the service's rating.")
    is_simulated = s.BooleanField()


class EnergySerializer(s.Serializer):
    start = s.DateTimeField()
    end = s.DateTimeField()
    home_watt_hours = s.FloatField(allow_null=True)
    watt_hours = s.DictField(child=s.FloatField(allow_null=True), help_text="By register of the panel.")
    covered_ratio = s.FloatField(help_text="Share of the period with readings, 0 to 1.")


class InternetLineSerializer(s.Serializer):
    """What the home's internet provider promised."""

    provider = s.CharField()
    promised_download_bits_per_second = s.IntegerField()
    promised_upload_bits_per_second = s.IntegerField()
    promised_uptime_ratio = s.FloatField()


class StorySerializer(s.Serializer):
    """The node's state in plain English, as the home's page says it to the household."""

    headline = s.CharField()
    meaning = s.CharField(help_text="What it means for the household.")
    action = s.CharField(allow_blank=True, help_text="What the household can do; empty: nothing.")


class HomeOverviewSerializer(HomeSerializer):
    address = AddressSerializer(allow_null=True, help_text="Null for those who may not see it.")
    internet_line = InternetLineSerializer(allow_null=True)
    live = live_shapes.HomeLive(
        help_text="The same object that the home's websocket sends. While there is no node, every part is null."
    )
    story = StorySerializer(allow_null=True, help_text="Null while there is no node.")
    energy_this_month = EnergySerializer(allow_null=True, help_text="Null while there is no node.")


class HistorySeriesSerializer(s.Serializer):
    metric = s.CharField()
    subject = s.CharField(allow_blank=True, help_text="GPU UUID or circuit name; empty for the node itself.")
    shape = s.ChoiceField(["gauge", "counter", "flag"])
    minimum = s.ListField(child=s.FloatField(allow_null=True), required=False)
    maximum = s.ListField(child=s.FloatField(allow_null=True), required=False)
    average = s.ListField(child=s.FloatField(allow_null=True), required=False)
    last = s.ListField(child=s.FloatField(allow_null=True), required=False)
    increase = s.ListField(child=s.FloatField(allow_null=True), required=False)


class HistorySerializer(s.Serializer):
    start = s.DateTimeField()
    end = s.DateTimeField()
    step_seconds = s.IntegerField(help_text="Length of a bucket; 0: raw samples.")
    source_seconds = s.IntegerField(help_text="The stored resolution that was read: 0 (raw), 60, 900 or 3600.")
    timezone = s.CharField()
    at = s.ListField(child=s.DateTimeField())
    series = HistorySeriesSerializer(many=True)


class StateSpanSerializer(s.Serializer):
    state = states.state_field()
    cause = states.cause_field()
    start = s.DateTimeField()
    end = s.DateTimeField(allow_null=True)


class NodeSerializer(s.Serializer):
    id = s.IntegerField()
    hostname = s.CharField()
    home = s.UUIDField(source="home_id")
    model = s.CharField()
    firmware = s.CharField(allow_blank=True)
    site_group = s.CharField(source="home.site_group", allow_blank=True)
    feeder = s.CharField(source="home.feeder", allow_blank=True)
    expected_gpus = s.IntegerField()


class NodeListedSerializer(NodeSerializer):
    state = live_shapes.StateNow()


class RefusedSerializer(s.Serializer):
    """What the ingest doors refused of a node for one reason, within a day of the last time."""

    reason = s.ChoiceField([reason.value for reason in Reason])
    bodies = s.IntegerField(help_text="Bodies of which something or all was refused.")
    samples = s.IntegerField(help_text="Samples of them, as far as they could be counted.")
    since = s.DateTimeField(help_text="When counting began.")
    at = s.DateTimeField(help_text="When it happened last.")


class NodeDetailSerializer(NodeSerializer):
    live = live_shapes.NodeLive(help_text="The same object that the node's websocket sends.")
    refused = RefusedSerializer(
        many=True, allow_null=True, help_text="The most urgent first; null: the ingest Redis is away."
    )


class InventoryEventSerializer(s.Serializer):
    kind = s.CharField(help_text="new, gone, back, moved, left, refused or claimed")
    gpu_uuid = s.CharField()
    at = s.DateTimeField()
    from_node = s.IntegerField(
        source="from_node_id", allow_null=True, help_text="moved, refused: behind which node it was, or is."
    )
    to_node = s.IntegerField(
        source="to_node_id", allow_null=True, help_text="left, claimed: behind which node it is now, or who claims it."
    )


class FleetTotalsSerializer(s.Serializer):
    """Sums over the cells; a silent node adds nothing to the powers, which are null where all are silent."""

    nodes = s.IntegerField()
    by_state = s.DictField(child=s.IntegerField(), help_text="Number of nodes in each state.")
    gpus_seen = s.IntegerField(help_text="Of the nodes whose state is known.")
    gpus_expected = s.IntegerField(help_text="Of all nodes.")
    watts = s.FloatField(allow_null=True, help_text="What the nodes draw.")
    spare_watts = s.FloatField(allow_null=True, help_text="What the homes' services could still carry.")
    busy_ratio = s.FloatField(allow_null=True, help_text="Mean utilisation of the GPUs, 0 to 1.")


class FleetSerializer(s.Serializer):
    """What the fleet's websocket begins with, and the totals."""

    type = s.CharField()
    cells = live_shapes.FleetCell(many=True)
    totals = FleetTotalsSerializer()


class FleetSeriesSerializer(s.Serializer):
    """A group's values, or, of a ranking, one subject's. Each list is as long as `at`."""

    group = s.CharField()
    node = s.IntegerField(allow_null=True, help_text="Of a ranking: whose value it is.")
    subject = s.CharField(allow_blank=True, help_text="Of a ranking of GPUs: the UUID.")
    values = s.ListField(child=s.FloatField(allow_null=True), help_text="Null: nobody contributed.")
    nodes = s.ListField(child=s.IntegerField(), help_text="How many nodes contributed to each value.")
    subjects = s.ListField(child=s.IntegerField(), help_text="How many of their GPUs, or again nodes.")


class FleetAggregateSerializer(s.Serializer):
    metric = s.CharField()
    function = s.CharField()
    start = s.DateTimeField()
    end = s.DateTimeField()
    step_seconds = s.IntegerField(allow_null=True, help_text="Length of a bucket; null: latest values, one instant.")
    source_seconds = s.IntegerField(
        allow_null=True, help_text="The stored resolution that was read; null: latest values."
    )
    nodes_asked = s.IntegerField(help_text="How many nodes could have contributed.")
    at = s.ListField(child=s.DateTimeField())
    series = FleetSeriesSerializer(many=True)


class ProblemSerializer(s.Serializer):
    """RFC 9457 problem document."""

    type = s.ChoiceField(PROBLEM_TYPES)
    title = s.CharField()
    status = s.IntegerField()
    detail = s.CharField()
    errors = s.DictField(  # type: ignore[assignment]  # RFC 9457 extension member; we only describe, never validate
        child=s.ListField(child=s.CharField()), required=False
    )


class BatteryNowSerializer(s.Serializer):
    heard_at = s.DateTimeField(allow_null=True)
    battery = live_shapes.Battery(allow_null=True, help_text="Null while there is no node.")


class InternetNowSerializer(s.Serializer):
    heard_at = s.DateTimeField(allow_null=True)
    internet = s.DictField(
        child=live_shapes.Line(),
        allow_null=True,
        help_text="Two lines of the same shape: home and node traffic. Null while there is no node.",
    )


class NodeNowSerializer(s.Serializer):
    heard_at = s.DateTimeField(allow_null=True)
    node = live_shapes.StateNow(allow_null=True, help_text="Null while there is no node.")
    story = StorySerializer(allow_null=True, help_text="Null while there is no node.")


class EnergyListSerializer(s.Serializer):
    timezone = s.CharField()
    energy = EnergySerializer(many=True)


class OutageSerializer(s.Serializer):
    """A stretch in which it was down, known to the precision of what is kept: minutes, then quarter-hours."""

    start = s.DateTimeField()
    seconds = s.IntegerField(help_text="How long it is known to have been down.")
    ending = s.ChoiceField(ENDINGS)
    at_least = s.BooleanField(help_text="True where for some of the time nobody knows: it may have been longer.")


class OutagesSerializer(s.Serializer):
    of = s.ChoiceField(["internet", "grid"])
    start = s.DateTimeField()
    end = s.DateTimeField(help_text="Now.")
    up_ratio = s.FloatField(allow_null=True, help_text="Of the time that was measured; null: nothing was.")
    covered_ratio = s.FloatField(help_text="Share of the time that was measured, 0 to 1.")
    outages = OutageSerializer(many=True, help_text="The latest first.")


class StatesSerializer(s.Serializer):
    states = StateSpanSerializer(many=True)


class _Page(s.Serializer):
    next = s.URLField(allow_null=True, help_text="The next page; null at the end.")
    previous = s.URLField(allow_null=True)


class HomePageSerializer(_Page):
    results = HomeSerializer(many=True)


class NodePageSerializer(_Page):
    results = NodeListedSerializer(many=True)


class OtherSeriesSerializer(s.Serializer):
    id = s.IntegerField()
    name = s.CharField()
    labels = s.DictField(child=s.CharField())
    heard_at = s.DateTimeField(allow_null=True, help_text="Its newest sample that is still kept; null: none is.")


class OtherSeriesPageSerializer(_Page):
    results = OtherSeriesSerializer(many=True)


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string", "enum": ["NaN", "+Inf", "-Inf"]}]})
class SampleField(s.Field):
    """A number, or the word for what is none."""


class OtherSamplesSerializer(s.Serializer):
    """As sent, oldest first; `at` and `values` are equally long."""

    name = s.CharField()
    labels = s.DictField(child=s.CharField())
    at = s.ListField(child=s.DateTimeField())
    values = s.ListField(child=SampleField())


class InventoryPageSerializer(_Page):
    results = InventoryEventSerializer(many=True)


class DeadLetterSerializer(s.Serializer):
    """A body of samples that was acknowledged and could not be stored. What could not be read of it is null."""

    id = s.CharField()
    at = s.DateTimeField(help_text="When storing it was given up.")
    node = s.IntegerField(allow_null=True)
    reason = s.CharField()
    size_bytes = s.IntegerField()
    samples = s.IntegerField(allow_null=True)
    first_at = s.DateTimeField(allow_null=True)
    last_at = s.DateTimeField(allow_null=True)


class DeadLettersSerializer(s.Serializer):
    letters = s.IntegerField(help_text="How many there are in all.")
    held_bytes = s.IntegerField()
    is_full = s.BooleanField(help_text="True when a further one had to stay in the ingest stream.")
    older = s.CharField(allow_null=True, help_text="`before` of the next page; null at the end.")
    results = DeadLetterSerializer(many=True)


class StatementHeadSerializer(s.Serializer):
    home = s.CharField(help_text="The home's mark, 64 hex digits: tells whose chain it is to those who know the home.")
    position = s.IntegerField(help_text="In the home's chain, from 1.")
    statement = s.IntegerField(help_text="The statement's number; numbers have no gaps.")
    previous_sha256 = s.CharField(help_text="Of the link before; zeros for the first.")
    sha256 = s.CharField(help_text="Of the hash before, as 64 hex digits, followed by statement.json.")
    signature = s.CharField(help_text="Ed25519 of the 64 hex digits of `sha256`, in hex.")
    public_key = s.CharField(help_text="Ed25519, in hex.")


class StatementHeadsSerializer(s.Serializer):
    format = s.ChoiceField(["xfra-heads-1"])
    heads = StatementHeadSerializer(many=True)
    next = s.IntegerField(allow_null=True, help_text="`after` of the next page; null on the last one.")
