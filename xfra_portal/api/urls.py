"""REST API v1. POST /api/v1/write, the nodes' door, is in telemetry.door."""

from django.urls import include, path, re_path

from xfra_portal.api import (
    accounts,
    dead_letters,
    docs,
    fleet_aggregates,
    homes,
    nodes,
    other_series,
    outages,
    problems,
    statement_heads,
    statements,
)

_HOME = "homes/<uuid:home_id>/"
_STATEMENT = f"{_HOME}statements/<int:number>"

money = [
    path(f"{_HOME}month-to-date", accounts.MonthToDateView.as_view(), name="api-month-to-date"),
    path(f"{_HOME}statements", statements.Statements.as_view(), name="api-statements"),
    path(_STATEMENT, statements.StatementDetail.as_view(), name="api-statement"),
    path(f"{_STATEMENT}/lines", statements.StatementLines.as_view(), name="api-statement-lines"),
    path(f"{_STATEMENT}/lines/<int:ordinal>", statements.StatementLine.as_view(), name="api-statement-line"),
    path(f"{_STATEMENT}/segments", statements.StatementSegments.as_view(), name="api-statement-segments"),
    path(f"{_STATEMENT}/intervals", statements.StatementIntervals.as_view(), name="api-statement-intervals"),
    path(f"{_STATEMENT}/difference", statements.StatementDifference.as_view(), name="api-statement-difference"),
    path(f"{_STATEMENT}/files", statements.StatementFiles.as_view(), name="api-statement-files"),
    path(f"{_STATEMENT}/files/<slug:kind>", statements.StatementFile.as_view(), name="api-statement-file"),
    path(f"{_STATEMENT}/questions", statements.StatementQuestions.as_view(), name="api-statement-questions"),
    path(f"{_HOME}agreements", accounts.Agreements.as_view(), name="api-agreements"),
    path(f"{_HOME}tariffs", accounts.Tariffs.as_view(), name="api-tariffs"),
    path(f"{_HOME}payouts", accounts.Payouts.as_view(), name="api-payouts"),
    path(f"{_HOME}ledger", accounts.Ledger.as_view(), name="api-ledger"),
    path(f"{_HOME}green-button", accounts.GreenButton.as_view(), name="api-green-button"),
]

urlpatterns = [
    *money,
    path("me", homes.Me.as_view(), name="api-me"),
    path("homes", homes.Homes.as_view(), name="api-homes"),
    path("homes/<uuid:home_id>", homes.HomeOverview.as_view(), name="api-home"),
    path("homes/<uuid:home_id>/battery", homes.HomeBattery.as_view(), name="api-home-battery"),
    path("homes/<uuid:home_id>/internet", homes.HomeInternet.as_view(), name="api-home-internet"),
    path("homes/<uuid:home_id>/node", homes.HomeNode.as_view(), name="api-home-node"),
    path("homes/<uuid:home_id>/energy", homes.HomeEnergy.as_view(), name="api-home-energy"),
    path("homes/<uuid:home_id>/states", homes.HomeStates.as_view(), name="api-home-states"),
    path("homes/<uuid:home_id>/outages", outages.HomeOutages.as_view(), name="api-home-outages"),
    path("homes/<uuid:home_id>/power/history", homes.PowerHistory.as_view(), name="api-home-power-history"),
    path("homes/<uuid:home_id>/battery/history", homes.BatteryHistory.as_view(), name="api-home-battery-history"),
    path("homes/<uuid:home_id>/internet/history", homes.InternetHistory.as_view(), name="api-home-internet-history"),
    path("nodes", nodes.Nodes.as_view(), name="api-nodes"),
    path("nodes/<int:node_id>", nodes.NodeDetail.as_view(), name="api-node"),
    path("nodes/<int:node_id>/telemetry", nodes.NodeTelemetry.as_view(), name="api-node-telemetry"),
    path("nodes/<int:node_id>/states", nodes.NodeStates.as_view(), name="api-node-states"),
    path("nodes/<int:node_id>/other-series", other_series.OtherSeriesList.as_view(), name="api-node-other-series"),
    path(
        "nodes/<int:node_id>/other-series/<int:series_id>",
        other_series.OtherSeriesSamples.as_view(),
        name="api-node-other-samples",
    ),
    path("nodes/<int:node_id>/inventory", nodes.NodeInventory.as_view(), name="api-node-inventory"),
    path("fleet", nodes.Fleet.as_view(), name="api-fleet"),
    path("fleet/aggregate", fleet_aggregates.FleetAggregate.as_view(), name="api-fleet-aggregate"),
    path("dead-letters", dead_letters.DeadLetters.as_view(), name="api-dead-letters"),
    path("statement-heads", statement_heads.StatementHeads.as_view(), name="api-statement-heads"),
    path("billing/", include("xfra_portal.api.desk_urls")),
    path("schema/", docs.openapi, name="api-schema"),
    path("docs/", docs.reference, name="api-docs"),
    re_path("^(?P<path>.*)$", problems.not_found, name="api-not-found"),
]
