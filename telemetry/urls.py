from django.urls import path

from telemetry.views import fleet, node

urlpatterns = [
    path("fleet/", fleet.fleet, name="fleet"),
    path("fleet/nodes/<slug:hostname>/", node.node_page, name="node"),
]
