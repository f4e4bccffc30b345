"""Websocket routes."""

from django.urls import path

from telemetry.consumers import FleetConsumer, HomeConsumer, NodeConsumer

websocket_urlpatterns = [
    path("ws/homes/<uuid:home_id>/", HomeConsumer.as_asgi(), name="ws-home"),
    path("ws/nodes/<int:node_id>/", NodeConsumer.as_asgi(), name="ws-node"),
    path("ws/fleet/", FleetConsumer.as_asgi(), name="ws-fleet"),
]
