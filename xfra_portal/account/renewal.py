"""The door at which an app renews its tokens; a refusal says in a code whether there is anything to worry about."""

from __future__ import annotations

from http import HTTPStatus

from allauth.headless.constants import Client
from allauth.headless.internal.restkit.response import APIResponse
from allauth.headless.tokens.response import RefreshTokenResponse
from allauth.headless.tokens.views import RefreshTokenView
from django.http import HttpRequest, HttpResponse

from homes.app_sessions import RenewalRefused, renew


class _Renewal(RefreshTokenView):
    def post(self, request: HttpRequest) -> HttpResponse:
        try:
            access_token, refresh_token = renew(self.input.cleaned_data["refresh_token"])
        except RenewalRefused as refused:
            error = {"code": refused.code, "param": "refresh_token", "message": str(refused)}
            answer: HttpResponse = APIResponse(request, errors=[error], status=HTTPStatus.UNAUTHORIZED)
        else:
            answer = RefreshTokenResponse(request, access_token, refresh_token)
        return answer


renew_in_app = _Renewal.as_api_view(client=Client.APP)
