"""Letting people in: nobody signs up, so whoever may come is made here and mailed a link to choose a password."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse

from homes.models import Party, User

_SUBJECT: Final = "Your account at the XFRA portal"
_TEXT: Final = """\
Hello {name},

there is an account for you at {address}. Choose a password within {days} days:

{link}

From then on you sign in with {email}. Should the link be too old, ask for another one there:
"Forgot your password?".
"""


def admit(email: str, name: str | None = None) -> User:
    """The person with this address, made without a password if there is none. A name replaces the known one."""
    user = User.objects.select_related("party").filter(email__iexact=email.strip()).first()
    if user is None:
        return User.objects.create_user(email, name=name or "")
    if name is not None and name != user.party.name:
        Party.objects.filter(pk=user.party_id).update(name=name)
        user.party.name = name
    return user


def invite(user: User, address: str) -> None:
    """Mail the link that allauth's "Forgot your password?" would mail: it works once, and no longer than the days say.

    `address` is the portal's own, as people reach it. Raises what sending raises.
    """
    days = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT).days
    text = _TEXT.format(name=user.name, address=address, days=days, link=address + _path(user), email=user.email)
    EmailMessage(_SUBJECT, text, settings.DEFAULT_FROM_EMAIL, [user.email]).send()


def _path(user: User) -> str:
    key = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    return reverse("account_reset_password_from_key", kwargs=key)
