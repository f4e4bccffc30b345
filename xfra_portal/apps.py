from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class PortalConfig(AppConfig):
    name = "xfra_portal"
    verbose_name = "XFRA portal"

    def ready(self) -> None:
        # Imported for what they do: system checks register, and @shared_task finds this project's Celery.
        from xfra_portal import celery, checks  # noqa: F401

        # The last app in the signal's order is not known, so each app's signal grants; it is cheap.
        post_migrate.connect(_grant, dispatch_uid="xfra_portal.grants")


def _grant(using: str, **kwargs: Any) -> None:
    from xfra_portal.database import grant_rows_to_application

    if using == "owner":
        grant_rows_to_application(using)
