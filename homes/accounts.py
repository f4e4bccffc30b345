"""How allauth meets our people: nobody signs up alone, the operator's staff needs more than a password from the first
day on, and TOTP seeds are sealed before they are stored.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any, ClassVar, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import Login
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from allauth.mfa.totp.internal.auth import generate_totp_secret
from allauth.usersessions.models import UserSession
from cryptography.fernet import InvalidToken
from django.db import transaction
from django.db.models.signals import post_save
from django.http import HttpRequest

from homes.access import acting_as, acting_as_system
from homes.models import Home, OperatorContact, OperatorRole, User
from homes.sealing import sealer

logger = logging.getLogger("homes.accounts")

_PURPOSE: Final = "mfa"
_SEALED: Final = ("secret", "seed")
"""Of an authenticator app, and of recovery codes. Passkeys hold nothing that is secret here."""


class AccountAdapter(DefaultAccountAdapter):
    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "account_inactive": "This account is closed.",
        "email_password_mismatch": "That email and password do not belong together.",
        "enter_current_password": "That is not your present password.",
        "incorrect_code": "That code is not right. Take the newest one.",
        "incorrect_password": "That is not your password.",
        "invalid_password_reset": "That link was used already, or is too old. Get a new one.",
        "rate_limited": "That was too often. Wait a few minutes and try again.",
        "too_many_login_attempts": "Too many attempts failed. Wait five minutes and try again.",
    }

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

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Without the request's Host, which is whatever a sender says; some mails follow when the request is over."""
        self.render_mail(template_prefix, email, {"email": email, **context}).send()

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """What it tells of has happened: a mail server that is away is logged, and does not make that look undone."""
        try:
            said = {"contact": _contact_of(user), **(context or {})}
            super().send_notification_mail(template_prefix, user, said, email)
        except OSError:
            logger.exception("person %s was not told by mail: %s", user.pk, template_prefix)


def _contact_of(user: User) -> OperatorContact | None:
    """Whom this person calls: the operator's people for their home, where there is one and somebody was named."""
    with acting_as_system():
        home = Home.objects.filter(memberships__user=user).first()
        return OperatorContact.objects.of(home) if home else None


class SealedMFAAdapter(DefaultMFAAdapter):
    """A stolen database dump must not hold working second factors."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultMFAAdapter.error_messages,
        "cannot_delete_authenticator": "This is the last one, and your account needs a second factor.",
        "cannot_generate_recovery_codes": "Add a passkey or an authenticator app first; codes stand in for them.",
        "incorrect_code": "That was not accepted. Take the newest code, or try the passkey again.",
    }

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002 - allauth's name
        return f"Passkey {Authenticator.objects.filter(user=user, type=type).count() + 1}"

    def encrypt(self, text: str) -> str:
        return sealer(_PURPOSE).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """What was sealed under the secret key or one that it replaced. Of a seal that none of them opens a seed that
        nobody has: every code is wrong then, and somebody is told why."""
        try:
            return sealer(_PURPOSE).decrypt(encrypted_text.encode()).decode()
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
    opener = sealer(_PURPOSE)
    for authenticator in Authenticator.objects.select_for_update().filter(data__has_any_keys=list(_SEALED)):
        sealed = {name: authenticator.data[name] for name in _SEALED if name in authenticator.data}
        try:
            authenticator.data |= {name: opener.rotate(text.encode()).decode() for name, text in sealed.items()}
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
    with acting_as_system():  # after the request it is nobody's work any more, and shown to nobody
        for session in UserSession.objects.filter(user=user).exclude(session_key=but):
            session.end()
