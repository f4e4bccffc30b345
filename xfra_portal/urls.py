"""Every door of the site. POST /api/v1/write and the websockets are in xfra_portal.asgi."""

from django.urls import URLPattern, URLResolver, include, path, re_path

from xfra_portal import health
from xfra_portal.account import well_known
from xfra_portal.account.doors import offered
from xfra_portal.api.problems import not_found

handler400 = "xfra_portal.api.problems.bad_request"
handler403 = "xfra_portal.error_pages.forbidden"
handler404 = "xfra_portal.error_pages.not_found"
handler500 = "xfra_portal.middleware.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("xfra_portal.homeowner.urls")),
    path("", include("telemetry.urls")),
    path("", include("xfra_portal.desk.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path(".well-known/assetlinks.json", well_known.android, name="apps-of-android"),
    path(".well-known/apple-app-site-association", well_known.apple, name="apps-of-apple"),
    path("api/v1/", include("xfra_portal.api.urls")),
    re_path("^api(/|$)", not_found, name="api-elsewhere"),
    path("_allauth/", include((offered("allauth.headless.urls"), "headless"))),
    path("accounts/", include(offered("allauth.urls"))),
]
