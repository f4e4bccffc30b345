"""The address that somebody signs in with, and to which invitations are bound, is changed only by proof of the new one.

Nothing is stored before the proof: an address that somebody has typed is nobody's. The proof is a link, mailed to the
new address and signed for one person, from one address to the other, under the password of then; it is good once and
for LINK_HOURS, in a browser in which that person is signed in. Postgres refuses a change of an address by anybody but
the system (homes.rules), so that no other door can do it. The old address is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from allauth.account.adapter import DefaultAccountAdapter
from django.core import signing
from django.db import IntegrityError, transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from homes.access import acting_as_system
from homes.models import User

LINK_HOURS: Final = 2
_SALT: Final = "homes.address_change"
LinkOf = Callable[[str], str]
"""From a key to the link that is mailed."""


class LinkIsNoGood(Exception):
    """Says in a sentence why, and what helps."""


def ask(adapter: DefaultAccountAdapter, user: User, wanted: str, link_of: LinkOf) -> None:
    """Mail the link to the wanted address; where that is somebody's already, they are told instead. Raises what sending
    raises."""
    with acting_as_system():  # whose addresses there are is shown to nobody
        is_taken = User.objects.filter(email__iexact=wanted).exists()
    if is_taken:
        adapter.send_mail("account/email/address_taken", wanted, {})
        return
    said = {"user": user.pk, "from": user.email, "to": wanted, "under": _password_mark(user)}
    link = link_of(signing.dumps(said, salt=_SALT))
    adapter.send_mail("account/email/address_proof", wanted, {"user": user, "link": link, "hours": LINK_HOURS})


def proven(user: User, key: str) -> str:
    """The address that this person has shown to be theirs. Raises LinkIsNoGood."""
    try:
        said = signing.loads(key, salt=_SALT, max_age=LINK_HOURS * 3600)
    except signing.SignatureExpired as error:
        raise LinkIsNoGood(f"That link is older than {LINK_HOURS} hours. Ask for a new one.") from error
    except signing.BadSignature as error:
        raise LinkIsNoGood("That link is not whole. Copy all of it from the mail, or ask for a new one.") from error
    if said["user"] != user.pk:
        raise LinkIsNoGood("That link is for another account. Sign in with the account that asked for it.")
    if said["from"] != user.email or not constant_time_compare(said["under"], _password_mark(user)):
        raise LinkIsNoGood("That link was used already, or your password has changed since. Ask for a new one.")
    return str(said["to"])


def settle(adapter: DefaultAccountAdapter, user: User, wanted: str) -> None:
    """Make a proven address this person's, and tell the old one. Raises LinkIsNoGood where it has become somebody
    else's meanwhile, by an invitation for instance."""
    old = user.email
    try:
        with acting_as_system(), transaction.atomic():
            changed = User.objects.filter(pk=user.pk, email=old).update(email=wanted)
    except IntegrityError as error:
        raise LinkIsNoGood("That address has an account of its own by now. Sign in with that one.") from error
    if not changed:
        raise LinkIsNoGood("That link was used already. Ask for a new one.")
    user.email = wanted
    adapter.send_notification_mail("account/email/email_changed", user, {"from_email": old, "to_email": wanted}, old)


def _password_mark(user: User) -> str:
    """Another one with each password, so that a new password ends what was asked for under the old one."""
    return salted_hmac(_SALT, user.password).hexdigest()[:24]
