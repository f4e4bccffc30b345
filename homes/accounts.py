"""How allauth meets our people: nobody signs up alone, and TOTP seeds are sealed before they are stored."""

from __future__ import annotations

import base64
import hashlib
from contextlib import nullcontext
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from django.conf import settings
from django.http import HttpRequest

from homes.access import acting_as
from homes.models import User


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

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
        return _sealer().decrypt(encrypted_text.encode()).decode()

    def get_public_key_credential_rp_entity(self) -> dict[str, Any]:
        return {**super().get_public_key_credential_rp_entity(), "name": "XFRA portal"}


def _sealer() -> Fernet:
    digest = hashlib.sha256(b"mfa:" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))
