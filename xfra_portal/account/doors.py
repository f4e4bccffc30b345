"""Which of allauth's doors are offered: every one is named here with a decision, and whatever is not named is shut.

allauth mounts doors for all that it can do, among them changing the address, the telephone number and signing up. Its
tree of addresses is walked: an offered door stays as it is, one of ours takes allauth's place under the same name
(allauth itself refers to names), and a shut one answers 404 to everybody. tests/access/test_account_doors.py fails
when a newer allauth brings a door that nobody decided about; until then that door is shut.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.urls import URLPattern, URLResolver
from django.views.decorators.csrf import csrf_exempt

from xfra_portal.account import address_pages, passwords, renewal

View = Callable[..., HttpResponseBase]
_APP: Final = "headless:app:"

OFFERED: Final = frozenset(
    {
        *("account_login", "account_logout", "account_inactive", "account_reauthenticate"),
        *("account_change_password", "account_confirm_login_code"),
        *("account_reset_password", "account_reset_password_done"),
        *("account_reset_password_from_key", "account_reset_password_from_key_done"),
        *("mfa_index", "mfa_authenticate", "mfa_reauthenticate", "mfa_activate_totp", "mfa_deactivate_totp"),
        *("mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_download_recovery_codes"),
        *("mfa_list_webauthn", "mfa_add_webauthn", "mfa_edit_webauthn", "mfa_remove_webauthn"),
        *("mfa_login_webauthn", "mfa_reauthenticate_webauthn"),
        "usersessions_list",
        f"{_APP}config",
        *(f"{_APP}account:{name}" for name in ("login", "current_session", "confirm_login_code", "reauthenticate")),
        *(f"{_APP}account:{name}" for name in ("request_password_reset", "reset_password")),
        *(f"{_APP}mfa:{name}" for name in ("authenticate", "reauthenticate", "authenticators")),
        *(f"{_APP}mfa:{name}" for name in ("manage_totp", "manage_recovery_codes", "manage_webauthn")),
        *(f"{_APP}mfa:{name}" for name in ("login_webauthn", "authenticate_webauthn", "reauthenticate_webauthn")),
        f"{_APP}usersessions:sessions",
    }
)
"""allauth's own, as they are."""

SHUT: Final = frozenset(
    {
        # People are invited; nobody signs up.
        *("account_signup", f"{_APP}account:signup"),
        # An address is changed in a browser, through our own pages: see homes.address_change.
        *("account_email_verification_sent", f"{_APP}account:manage_email"),
        *(f"{_APP}account:{name}" for name in ("verify_email", "resend_email_verification_code")),
        # Nobody signs in by telephone.
        *(f"{_APP}account:{name}" for name in ("manage_phone", "verify_phone", "resend_phone_verification_code")),
    }
)

OURS: Final[dict[str, View]] = {
    "account_email": address_pages.ask,
    "account_confirm_email": address_pages.confirm,
    "account_set_password": passwords.set_first,
    f"{_APP}account:change_password": passwords.change_in_app,
    f"{_APP}tokens:refresh": renewal.renew_in_app,
}
"""Under allauth's name and address, done by us."""


def offered(urlconf: str) -> list[URLPattern | URLResolver]:
    """allauth's tree of addresses under a module's name, every door of it as decided above."""
    return _decided(import_module(urlconf).urlpatterns, "headless:" if "headless" in urlconf else "")


def _decided(patterns: list[Any], spaces: str) -> list[URLPattern | URLResolver]:
    found: list[URLPattern | URLResolver] = []
    for each in patterns:
        if isinstance(each, URLResolver):
            inner = _decided(each.url_patterns, spaces + (f"{each.namespace}:" if each.namespace else ""))
            found.append(URLResolver(each.pattern, inner, each.default_kwargs, each.app_name, each.namespace))
        else:
            view = _view(spaces + (each.name or ""), each.callback)
            found.append(URLPattern(each.pattern, view, each.default_args, each.name))
    return found


def _view(name: str, allauths: View) -> View:
    if name in OURS:
        return OURS[name]
    return allauths if name in OFFERED else _not_here


@csrf_exempt
def _not_here(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
    if request.path.startswith("/_allauth/"):
        return JsonResponse({"status": 404}, status=404)
    raise Http404
