"""Let somebody in, or change what they may do. Said twice, it is done once."""

from __future__ import annotations

from argparse import ArgumentParser
from smtplib import SMTPException
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import DataError, IntegrityError, transaction

from homes.invitations import admit, invite
from homes.models import Home, Membership, OperatorRole, User


class Command(BaseCommand):
    help = "Makes or changes a person, and mails whoever has no password yet a link to choose one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", help="what to call them")
        role = parser.add_mutually_exclusive_group()
        role.add_argument("--role", choices=OperatorRole.Role.values, help="what they may do as the operator's staff")
        role.add_argument("--remove-role", action="store_true", help="they are not the operator's staff any more")
        home = parser.add_mutually_exclusive_group()
        home.add_argument("--home", type=UUID, metavar="ID", help="they belong to this home's household, with --as")
        home.add_argument("--remove-home", type=UUID, metavar="ID", help="they do not belong to it any more")
        parser.add_argument("--as", dest="place", choices=Membership.Role.values, help="their place in the household")
        own = settings.ORIGINS[0]
        parser.add_argument("--url", default=own, help=f"this portal as people reach it ({own})")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            validate_email(options["email"].strip())
            with transaction.atomic():
                user = _change(options)
        except ValidationError as error:
            raise CommandError(f"{options['email']}: {'; '.join(error.messages)}") from error
        except IntegrityError as error:
            raise CommandError(_explained(error, options)) from error
        except DataError as error:
            raise CommandError(f"too long: {error}") from error
        self._show(user)
        if not user.has_usable_password():
            self._invite(user, options["url"].rstrip("/"))

    def _show(self, user: User) -> None:
        self.stdout.write(f"{user.email}  {user.party.name}{'' if user.is_active else '  (deactivated)'}")
        for staff in OperatorRole.objects.filter(user=user):
            self.stdout.write(f"  staff: {staff.role}")
        for membership in user.memberships.select_related("home").order_by("pk"):
            self.stdout.write(f"  {membership.role} of {membership.home_id}  {membership.home.name}")

    def _invite(self, user: User, address: str) -> None:
        try:
            invite(user, address)
        except (SMTPException, OSError) as error:
            said = f"all of this is done, but the mail with the link did not go: {error}. Say the same again later"
            raise CommandError(said) from error
        self.stdout.write(f"  mailed a link to choose a password, to {address}")


def _change(options: dict[str, Any]) -> User:
    """Everything that was asked for, in the caller's transaction."""
    email, home_id = options["email"], options["home"] or options["remove_home"]
    if bool(options["home"]) != bool(options["place"]):
        raise CommandError("--home ID goes with --as owner, member or viewer")
    if home_id and not Home.objects.filter(pk=home_id).exists():
        raise CommandError(f"there is no home {home_id}")
    is_known = User.objects.filter(email__iexact=email.strip()).exists()
    if not is_known and (options["remove_role"] or options["remove_home"]):
        raise CommandError(f"nobody is known as {email}")
    user = admit(email, options["name"])
    if options["role"]:
        OperatorRole.objects.update_or_create(user=user, defaults={"role": options["role"]})
    if options["remove_role"]:
        OperatorRole.objects.filter(user=user).delete()
    if options["home"]:
        Membership.objects.update_or_create(home_id=home_id, user=user, defaults={"role": options["place"]})
    if options["remove_home"]:
        Membership.objects.filter(home_id=home_id, user=user).delete()
    return user


def _explained(error: IntegrityError, options: dict[str, Any]) -> str:
    if "home_has_one_owner" not in str(error):
        return str(error)
    owner = Membership.objects.select_related("user").get(home_id=options["home"], role=Membership.Role.OWNER).user
    return f"{options['home']} has an owner; first: manage.py person {owner.email} --remove-home {options['home']}"
