"""Who may enter the billing desk, and how its pages are rendered."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.access import billed_homes, is_desk
from homes.models import Home, User

View = Callable[..., HttpResponse]


def _desk_only(view: View) -> View:
    """Billing clerks and administrators; everybody else is told that there is nothing here."""

    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_desk(request.user):
            raise Http404
        return view(request, *args, **kwargs)

    return never_cache(guarded)


def reads(view: View) -> View:
    """A page."""
    return require_safe(_desk_only(view))


def writes(view: View) -> View:
    """Something that is done, and then shown elsewhere."""
    return require_POST(_desk_only(view))


def takes_form(view: View) -> View:
    """A page whose form is sent to the page itself."""
    return require_http_methods(["GET", "HEAD", "POST"])(_desk_only(view))


def person(request: HttpRequest) -> User:
    return cast(User, request.user)


def homes(request: HttpRequest) -> QuerySet[Home]:
    return billed_homes(person(request))


def home_or_404(request: HttpRequest, home_id: uuid.UUID) -> Home:
    return get_object_or_404(homes(request), pk=home_id)


def page(
    request: HttpRequest, template: str, tab: str, context: dict[str, Any] | None = None, status: int = 200
) -> HttpResponse:
    """`form_key` is for all forms of the page that are not sent twice in one go: each adds what it is for."""
    shared = {"shell": "operator", "place": "billing", "tab": tab, "form_key": uuid.uuid4().hex}
    return render(request, f"desk/{template}.html", {**shared, **(context or {})}, status=status)
