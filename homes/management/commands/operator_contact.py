"""Set whom the homes of a site group call."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from homes.models import OperatorContact


class Command(BaseCommand):
    help = "Sets name, telephone and hours that the homes of a site group see, in place of what was set before."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--site-group", default="", help="empty: for all homes whose group has none of its own")
        parser.add_argument("--name", required=True, help="who answers, such as XFRA operations")
        parser.add_argument("--phone", required=True)
        parser.add_argument("--hours", default="day and night", help="when it is answered")
        parser.add_argument("--emergency-words", default="", help="from the operator's safety file, shown with alarms")

    def handle(self, *args: Any, **options: Any) -> None:
        known = OperatorContact.objects.filter(site_group=options["site_group"]).first()
        contact = known or OperatorContact(site_group=options["site_group"])
        for name in ("name", "phone", "hours", "emergency_words"):
            setattr(contact, name, options[name])
        try:
            contact.full_clean()
        except ValidationError as error:
            said = [f"{name}: {text}" for name, texts in error.message_dict.items() for text in texts]
            raise CommandError("; ".join(said)) from error
        contact.save()
        self.stdout.write(f"{contact}: {contact.phone}, {contact.hours}")
