"""Pages for what went wrong: what happened in plain words, and ways to where people were going."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from homes.models import Home, OperatorRole


class NotShared(Http404):
    """Somebody of the household asked for what the household's owner does not share with them; the text says so."""


Ways = list[tuple[str, str]]
"""Addresses and what is there."""


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404."""
    told = str(exception) if isinstance(exception, NotShared) else ""
    return render(request, "404.html", {"ways": ways(request), "told": told}, status=404)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return render(request, "403.html", {"ways": ways(request)}, status=403)


def ways(request: HttpRequest) -> Ways:
    """Of a host with one home its four places, of staff their console, of whoever is not signed in the way to that."""
    user = request.user
    if not user.is_authenticated:
        return [(reverse("account_login"), "Sign in")]
    role = user.operator_role
    if role:
        desk = (
            [(reverse("desk"), "Billing desk")] if role in (OperatorRole.Role.BILLING, OperatorRole.Role.ADMIN) else []
        )
        return [(reverse("fleet"), "Fleet"), *desk]
    homes = list(Home.objects.visible_to(user).filter(memberships__user=user)[:2])
    if len(homes) != 1:
        return [(reverse("start"), "Your homes")]
    places = {"home": "Home", "home-electricity": "Electricity", "home-internet": "Internet", "home-battery": "Battery"}
    return [(reverse(name, args=[homes[0].pk]), words) for name, words in places.items()]
