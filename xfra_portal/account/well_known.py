"""What phones' platforms ask a site: which apps may use its passkeys, and open its links. Both always answer."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe


@require_safe
def android(request: HttpRequest) -> HttpResponse:
    """Digital Asset Links: one statement for each certificate."""
    relations = ["delegate_permission/common.get_login_creds", "delegate_permission/common.handle_all_urls"]
    found = [
        {
            "relation": relations,
            "target": {
                "namespace": "android_app",
                "package_name": app.package,
                "sha256_cert_fingerprints": [app.sha256],
            },
        }
        for app in settings.ANDROID_APPS
    ]
    return JsonResponse(found, safe=False)


@require_safe
def apple(request: HttpRequest) -> HttpResponse:
    """Associated domains: passkeys and passwords, and links to homes."""
    apps = settings.IOS_APPS
    details: list[dict[str, Any]] = [{"appIDs": apps, "components": [{"/": "/homes/*"}]}] if apps else []
    return JsonResponse({"webcredentials": {"apps": apps}, "applinks": {"details": details}})
