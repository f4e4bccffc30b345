"""The two pages on which people change the address that they sign in with: ask, then open the mailed link."""

from __future__ import annotations

from typing import cast

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.core import ratelimit
from allauth.decorators import rate_limit
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from homes import address_change
from homes.models import User
from xfra_portal.account.forms import AddressForm

_pages = require_http_methods(["GET", "HEAD", "POST"])


@_pages
@never_cache
@login_required
@reauthentication_required(app="allauth.account", allow_get=True)
@rate_limit(action="manage_email")
def ask(request: HttpRequest) -> HttpResponseBase:
    """Says the present address and takes the wish for another, to which a link is mailed. The answer is the same
    whoever has that address already."""
    user = cast(User, request.user)
    form = AddressForm(request.POST or None, user=user)
    if request.method != "POST" or not form.is_valid():
        return render(request, "account/address.html", {"form": form}, status=200)
    wanted = form.cleaned_data["email"]
    limited: HttpResponseBase | None = ratelimit.consume_or_429(request, action="confirm_email", key=wanted)
    if limited:
        return limited
    address_change.ask(get_adapter(request), user, wanted, _link(request))
    return render(request, "account/address_asked.html", {"wanted": wanted, "hours": address_change.LINK_HOURS})


def _link(request: HttpRequest) -> address_change.LinkOf:
    return lambda key: request.build_absolute_uri(reverse("account_confirm_email", kwargs={"key": key}))


@_pages
@never_cache
@login_required
def confirm(request: HttpRequest, key: str) -> HttpResponseBase:
    """Where the mailed link leads. It changes nothing by being opened, and only whoever asked can confirm."""
    user = cast(User, request.user)
    try:
        wanted = address_change.proven(user, key)
        if request.method == "POST":
            address_change.settle(get_adapter(request), user, wanted)
            messages.success(request, f"From now on you sign in with {wanted}.")
            return HttpResponseRedirect(reverse("account_email"))
    except address_change.LinkIsNoGood as error:
        return render(request, "account/address_refused.html", {"why": str(error)}, status=400)
    return render(request, "account/address_confirm.html", {"wanted": wanted})
