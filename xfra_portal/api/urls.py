"""REST API v1. POST /api/v1/write, the nodes' door, is in telemetry.door."""

from django.urls import path, re_path

from xfra_portal.api import dead_letters, docs, fleet_aggregates, homes, nodes, problems, statement_heads

urlpatterns = [
    path("me", homes.Me.as_view(), name="api-me"),
    path("homes", homes.Homes.as_view(), name="api-homes"),
    path("homes/<uuid:home_id>", homes.HomeOverview.as_view(), name="api-home"),
    path("homes/<uuid:home_id>/battery", homes.HomeBattery.as_view(), name="api-home-battery"),
    path("homes/<uuid:home_id>/internet", homes.HomeInternet.as_view(), name="api-home-internet"),
    path("homes/<uuid:home_id>/node", homes.HomeNode.as_view(), name="api-home-node"),
    path("homes/<uuid:home_id>/energy", homes.HomeEnergy.as_view(), name="api-home-energy"),
    path("homes/<uuid:home_id>/states", homes.HomeStates.as_view(), name="api-home-states"),
    path("homes/<uuid:home_id>/power/history", homes.PowerHistory.as_view(), name="api-home-power-history"),
    path("homes/<uuid:home_id>/battery/history", homes.BatteryHistory.as_view(), name="api-home-battery-history"),
    path("homes/<uuid:home_id>/internet/history", homes.InternetHistory.as_view(), name="api-home-internet-history"),
    path("nodes", nodes.Nodes.as_view(), name="api-nodes"),
    path("nodes/<int:node_id>", nodes.NodeDetail.as_view(), name="api-node"),
    path("nodes/<int:node_id>/telemetry", nodes.NodeTelemetry.as_view(), name="api-node-telemetry"),
    path("nodes/<int:node_id>/states", nodes.NodeStates.as_view(), name="api-node-states"),
    path("nodes/<int:node_id>/inventory", nodes.NodeInventory.as_view(), name="api-node-inventory"),
    path("fleet", nodes.Fleet.as_view(), name="api-fleet"),
    path("fleet/aggregate", fleet_aggregates.FleetAggregate.as_view(), name="api-fleet-aggregate"),
    path("dead-letters", dead_letters.DeadLetters.as_view(), name="api-dead-letters"),
    path("statement-heads", statement_heads.StatementHeads.as_view(), name="api-statement-heads"),
    path("schema/", docs.openapi, name="api-schema"),
    path("docs/", docs.reference, name="api-docs"),
    re_path("^(?P<path>.*)$", problems.not_found, name="api-not-found"),
]
