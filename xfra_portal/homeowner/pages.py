"""How every page of a home is reached and rendered: found for its reader, and told on the home's own clock."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from homes.models import Home, Node, OperatorContact, User
from xfra_portal.homeowner import money

View = Callable[[HttpRequest, uuid.UUID], HttpResponse]
Gather = Callable[[HttpRequest, Home, Node], Mapping[str, Any]]
"""What a page's template is given."""


def show(
    request: HttpRequest, home: Home, place: str, template: str, context: Mapping[str, Any], status: int = 200
) -> HttpResponse:
    """Dates and times in the template are the home's; `place` is where in the navigation this is."""
    zone_name = f"{timezone.now().astimezone(home.zone):%Z}"
    contact = OperatorContact.objects.of(home)
    shell = {"shell": "homeowner", "home": home, "place": place, "zone_name": zone_name, "contact": contact}
    with timezone.override(home.zone):
        return render(request, template, {**shell, **context}, status=status)


def of_node(place: str) -> Callable[[Gather], View]:
    """The page `portal/<place>.html` about a home's node: 404 alike for what does not exist and what is not yours.

    A home whose node is still to come gets one page instead of all of them, which says what will be here.
    """

    def decorate(gather: Gather) -> View:
        @require_safe
        @login_required
        @never_cache
        @wraps(gather)
        def view(request: HttpRequest, home_id: uuid.UUID) -> HttpResponse:
            visible = Home.objects.visible_to(request.user).select_related("node", "battery", "internet_line")
            home = get_object_or_404(visible, pk=home_id)
            if not hasattr(home, "node"):
                shows_money = money.shows_money(cast(User, request.user), home)
                return show(request, home, place, "portal/no_node.html", {"shows_money": shows_money})
            return show(request, home, place, f"portal/{place}.html", gather(request, home, home.node))

        return view

    return decorate
