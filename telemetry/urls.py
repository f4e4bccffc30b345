from django.urls import path

from telemetry.views import fleet, node
from telemetry.views.dead_letters import dead_letters_page

urlpatterns = [
    path("fleet/", fleet.fleet, name="fleet"),
    path("fleet/dead-letters/", dead_letters_page, name="dead-letters"),
    path("fleet/nodes/<slug:hostname>/", node.node_page, name="node"),
]
