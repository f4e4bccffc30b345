"""Sign-ins of apps: who is behind an access token, and renewal that survives trains.

A refresh token is good once. Whoever renews is let through one by one (the row is locked): the current token brings the
next pair; the one before it, within GRACE of its use, brings the same pair again, for an answer that was lost or asked
for twice at once. Any older one was copied, or its phone was: that ends the sign-in and is told by mail.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from allauth.account.adapter import get_adapter
from allauth.account.signals import password_changed, password_set
from allauth.core.internal.httpkit import get_authorization_credential
from allauth.headless.tokens.strategies.base import AbstractTokenStrategy
from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from homes import app_tokens
from homes.access import acting_as, acting_as_system
from homes.models import AppSession, User
from homes.sealing import sealer
from homes.sessions import SessionStore

ACCESS_LASTS: Final = timedelta(minutes=5)
REFRESH_LASTS: Final = timedelta(days=14)
"""And with it the session, anew with each renewal."""
SIGN_IN_LASTS: Final = timedelta(days=180)
"""However often it was renewed."""
GRACE: Final = timedelta(seconds=60)
_PURPOSE: Final = "app-session"
_IN_SESSION: Final = "app_session"
Pair = tuple[str, str]
"""An access token and a refresh token."""


class RenewalRefused(Exception):
    """The app has to sign in again. `code` says why, for programs: refresh-unknown or refresh-reused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RefreshUnknown(RenewalRefused):
    def __init__(self) -> None:
        super().__init__("refresh-unknown", "This token is not known here, or no longer. Sign in again.")


class RefreshReused(RenewalRefused):
    def __init__(self) -> None:
        text = "You have been signed out because an old key of this phone was used. Sign in again."
        super().__init__("refresh-reused", f"{text} If that was not you, end all sessions.")


@dataclass(frozen=True)
class Caller:
    """Whose an access token is, and through which session they act."""

    user: User
    session: SessionStore


def caller_of(access_token: str) -> Caller | None:
    """None where the token is none of ours or has run out, or the sign-in has ended."""
    said = app_tokens.read(access_token, "access")
    if said is None:
        return None
    with acting_as_system():
        row = AppSession.objects.filter(pk=said.sign_in, reused_at=None).first()
        return _caller(row, said.user_id) if row else None


def renew(refresh_token: str) -> Pair:
    """The next pair. Raises RefreshUnknown or RefreshReused; a database that is away is neither."""
    said = app_tokens.read(refresh_token, "refresh")
    if said is None:
        raise RefreshUnknown
    with acting_as_system():
        pair = _renew(said)
    if pair is None:
        with acting_as(said.user_id):
            get_adapter().send_notification_mail("account/email/app_key_reused", User.objects.get(pk=said.user_id))
        raise RefreshReused
    return pair


@transaction.atomic
def _renew(said: app_tokens.Claims) -> Pair | None:
    """None where this use has ended the sign-in, which has to outlive the exception."""
    row = AppSession.objects.select_for_update().filter(pk=said.sign_in).first()
    if row is None:
        raise RefreshUnknown
    if row.reused_at:
        raise RefreshReused
    now, caller = timezone.now(), _caller(row, said.user_id)
    if caller is None or now >= row.began_at + SIGN_IN_LASTS:
        raise RefreshUnknown
    if said.token_id == row.current_id:
        return _rotate(row, now)
    if said.token_id == row.previous_id and now - row.renewed_at <= GRACE:
        access, refresh = json.loads(sealer(_PURPOSE).decrypt(row.answer_sealed.encode()))
        return access, refresh
    _end(row, now)
    return None


def _caller(row: AppSession, user_id: int) -> Caller | None:
    """Who acts through the session of a sign-in. Postgres is asked as the system."""
    session = SessionStore(row.session_key)
    user = _user_of(session)
    return Caller(user, session) if user and user.pk == user_id == row.user_id else None


def _user_of(session: SessionStore) -> User | None:
    """Whose session it is. One that began under a former secret key is carried over to the present one here: Django
    would give it another name for that, under which the app would not find it again."""
    user = User.objects.filter(pk=session.get(SESSION_KEY) or 0, is_active=True).first()
    if user is None:
        return None
    given, present = session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()
    if constant_time_compare(given, present):
        return user
    if any(constant_time_compare(given, former) for former in user.get_session_auth_fallback_hash()):
        session[HASH_SESSION_KEY] = present
        session.save()
        return user
    return None


def _rotate(row: AppSession, now: datetime) -> Pair:
    row.previous_id, row.current_id, row.renewed_at = row.current_id, uuid4(), now
    pair = _pair(row)
    row.answer_sealed = sealer(_PURPOSE).encrypt(json.dumps(pair).encode()).decode()
    row.save(update_fields=["previous_id", "current_id", "renewed_at", "answer_sealed"])
    Session.objects.filter(pk=row.session_key).update(expire_date=_runs_out(row))
    return pair


def _pair(row: AppSession) -> Pair:
    access = app_tokens.Claims(uuid4(), row.pk, row.user_id)
    refresh = app_tokens.Claims(row.current_id, row.pk, row.user_id)
    until = _runs_out(row)
    return (
        app_tokens.sign("access", access, min(row.renewed_at + ACCESS_LASTS, until)),
        app_tokens.sign("refresh", refresh, until),
    )


def _runs_out(row: AppSession) -> datetime:
    return min(row.renewed_at + REFRESH_LASTS, row.began_at + SIGN_IN_LASTS)


def _end(row: AppSession, now: datetime) -> None:
    """The row stays for as long as its tokens would, so that the phone that is signed out is told why."""
    row.reused_at, row.answer_sealed = now, ""
    row.save(update_fields=["reused_at", "answer_sealed"])
    Session.objects.filter(pk=row.session_key).delete()
    UserSession.objects.filter(session_key=row.session_key).delete()


def clear() -> None:
    """Forget sign-ins whose session has ended, and what is listed of sessions that are no more."""
    living = Session.objects.values("session_key")
    AppSession.objects.filter(renewed_at__lt=timezone.now() - REFRESH_LASTS).exclude(session_key__in=living).delete()
    UserSession.objects.exclude(session_key__in=living).delete()


class AppTokenStrategy(AbstractTokenStrategy):
    """How allauth's doors for apps get at our tokens. A session token is for signing in alone: see docs/api.md."""

    def get_session_token(self, request: HttpRequest) -> str | None:
        given: str | None = super().get_session_token(request)
        access_token = None if given else get_authorization_credential(request, "Bearer")
        caller = caller_of(access_token) if access_token else None
        return caller.session.session_key if caller else given

    def create_session_token(self, request: HttpRequest) -> str:
        """Empty for whoever is signed in: it would be a key that never changes, beside those that do."""
        if request.user.is_authenticated:
            return ""
        if not request.session.session_key:
            request.session.save()
        return str(request.session.session_key)

    def lookup_session(self, session_token: str) -> SessionStore | None:
        session = SessionStore(session_token)
        with acting_as_system():
            if session.get(SESSION_KEY) is not None:
                _user_of(session)
        return session if session.session_key else None

    def create_access_token_payload(self, request: HttpRequest) -> dict[str, Any]:
        """Of somebody who has just signed in. allauth may ask more than once; the last answer is sent."""
        now, key = timezone.now(), request.session.session_key
        fresh = {"user": request.user, "current_id": uuid4(), "previous_id": None, "renewed_at": now}
        with acting_as_system():
            row, _ = AppSession.objects.update_or_create(session_key=key, defaults=fresh)
        request.session[_IN_SESSION] = str(row.pk)
        access, refresh = _pair(row)
        return {"access_token": access, "refresh_token": refresh}


def watch_passwords() -> None:
    """With a new password the session of whoever changed it gets another name; the app's sign-in follows."""
    password_changed.connect(_follow, dispatch_uid="homes.app_sessions")
    password_set.connect(_follow, dispatch_uid="homes.app_sessions")


def _follow(request: HttpRequest, **kwargs: Any) -> None:
    sign_in = request.session.get(_IN_SESSION)
    if sign_in:
        with acting_as_system():
            AppSession.objects.filter(pk=UUID(sign_in)).update(session_key=request.session.session_key)
