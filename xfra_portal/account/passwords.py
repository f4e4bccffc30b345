"""Who has no password yet chooses the first one by a mailed link alone: a session, maybe a stolen one, sets none."""

from __future__ import annotations

from typing import Any

from allauth.headless.account.inputs import ChangePasswordInput
from allauth.headless.account.views import ChangePasswordView
from allauth.headless.constants import Client
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


@login_required
def set_first(request: HttpRequest) -> HttpResponse:
    return redirect("account_reset_password")


class _Change(ChangePasswordInput):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["current_password"].required = True


class _ChangeInApp(ChangePasswordView):
    input_class = _Change


change_in_app = _ChangeInApp.as_api_view(client=Client.APP)
