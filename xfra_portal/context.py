from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from billing.access import is_desk


def portal(request: HttpRequest) -> dict[str, object]:
    """`shows_billing_desk` is asked of the database only where a page looks at it."""
    return {
        "shows_simulated_data": settings.SHOWS_SIMULATED_DATA,
        "shows_billing_desk": SimpleLazyObject(lambda: is_desk(request.user)),
    }
