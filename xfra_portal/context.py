from django.conf import settings
from django.http import HttpRequest


def portal(request: HttpRequest) -> dict[str, object]:
    return {"shows_simulated_data": settings.SHOWS_SIMULATED_DATA}
