"""How allauth meets our people: nobody signs up alone, the operator's staff needs more than a password from the first
day on, and TOTP seeds are sealed before they are stored.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from contextlib import nullcontext
from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress, Login
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.usersessions.models import UserSession
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.db import transaction
from django.db.models.signals import post_save
from django.http import HttpRequest

from homes.access import acting_as
from homes.models import OperatorRole, User

logger = logging.getLogger("homes.accounts")

_SEALED: Final = ("secret", "seed")
"""Of an authenticator app, and of recovery codes. Passkeys hold nothing that is secret here."""


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_login_by_code_required(self, login: Login) -> bool:
        """Staff without a second factor proves with a mailed code that the mailbox is theirs: else whoever knows the
        password could set up a factor before they do."""
        user = login.user
        with acting_as(user.pk):  # who is not signed in yet, and a role is shown to oneself alone
            owes = isinstance(user, User) and user.owes_second_factor and not user.has_second_factor
        return owes or bool(super().is_login_by_code_required(login))

    def clean_password(self, password: str, user: User | None = None) -> str:
        """Compared with the name of whom it is for, who is not signed in yet where a link brought them."""
        with acting_as(user.pk) if user else nullcontext():
            return str(super().clean_password(password, user))

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """On behalf of whose address it is: the link is good in any browser, also where somebody else is signed in."""
        with acting_as(email_address.user_id):
            return bool(super().confirm_email(request, email_address))


class SealedMFAAdapter(DefaultMFAAdapter):
    """A stolen database dump must not hold working second factors."""

    def encrypt(self, text: str) -> str:
        return _sealer().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """What was sealed under the secret key or one that it replaced. Of a seal that none of them opens a seed that
        nobody has: every code is wrong then, and somebody is told why."""
        try:
            return _sealer().decrypt(encrypted_text.encode()).decode()
        except InvalidToken:
            logger.error("a second factor is sealed under another SECRET_KEY: add that to SECRET_KEY_FALLBACKS")
            return str(generate_totp_secret())

    def get_public_key_credential_rp_entity(self) -> dict[str, Any]:
        return {**super().get_public_key_credential_rp_entity(), "name": "XFRA portal"}


@transaction.atomic
def reseal() -> tuple[int, int]:
    """Seal anew, under the present secret key; of how many authenticators, and how many are left because no key opens
    them."""
    resealed = lost = 0
    sealer = _sealer()
    for authenticator in Authenticator.objects.select_for_update().filter(data__has_any_keys=list(_SEALED)):
        sealed = {name: authenticator.data[name] for name in _SEALED if name in authenticator.data}
        try:
            authenticator.data |= {name: sealer.rotate(text.encode()).decode() for name, text in sealed.items()}
        except InvalidToken:
            lost += 1
            continue
        authenticator.save(update_fields=["data"])
        resealed += 1
    return resealed, lost


def watch_staff() -> None:
    """When somebody becomes staff, or staff gets another factor, sessions that began before that end."""
    post_save.connect(_end_sessions_of_new_staff, OperatorRole, dispatch_uid="homes.new_staff")
    authenticator_added.connect(_end_other_sessions_of_staff, dispatch_uid="homes.new_factor")


def _end_sessions_of_new_staff(instance: OperatorRole, created: bool, **kwargs: Any) -> None:
    if created:
        _end_sessions(instance.user, None)


def _end_other_sessions_of_staff(request: HttpRequest, user: User, **kwargs: Any) -> None:
    with acting_as(user.pk):  # a role is shown to oneself alone, and this may run after the request
        is_staff = OperatorRole.objects.filter(user=user).exists()
    if is_staff:
        _end_sessions(user, request.session.session_key)


def _end_sessions(user: User, but: str | None) -> None:
    for session in UserSession.objects.filter(user=user).exclude(session_key=but):
        session.end()


def _sealer() -> MultiFernet:
    """Seals under the present secret key, opens under those before it too."""
    return MultiFernet([_fernet(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _fernet(secret_key: str) -> Fernet:
    digest = hashlib.sha256(b"mfa:" + secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
