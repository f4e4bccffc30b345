"""People: who signs in, what they are called, and what an operator's staff may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from allauth.account.authentication import get_authentication_records
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.sessions.backends.base import SessionBase
from django.db import models
from django.db.models.functions import Lower
from django.http import HttpRequest


class Party(models.Model):
    """The one erasable record of a person: immutable facts refer to its id and never copy the name."""

    name = models.CharField(max_length=120, blank=True)
    phone = models.CharField(max_length=40, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name or f"party {self.pk}"


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, *, name: str = "", **fields: Any) -> User:
        """A user with a party of that name. The password is stored hashed; None means it cannot be used."""
        user = self.model(email=email.strip().lower(), party=Party.objects.create(name=name), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """For Django's own command of that name: an administrator. Django's flag of superusers opens nothing here."""
        user = self.create_user(email, password, **fields)
        OperatorRole.objects.create(user=user, role=OperatorRole.Role.ADMIN)
        return user


if TYPE_CHECKING:
    _Text = models.CharField[str, str]
else:
    _Text = models.CharField


class HashField(_Text):
    """A password's hash. The application may write it and may not read the column: what it is shown of it, and on
    whose behalf, a function of the database decides (homes.row_security); of other people that is None."""

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        return f'xfra_password_of({sql.rpartition(".")[0]}."id")', params

    def deconstruct(self) -> Any:
        """For migrations a column like any other."""
        name, _, args, keywords = super().deconstruct()
        return name, "django.db.models.CharField", args, keywords


class User(AbstractBaseUser, PermissionsMixin):
    """Somebody who can sign in, by e-mail."""

    password = HashField("password", max_length=128)
    email = models.EmailField(unique=True)
    party = models.OneToOneField(Party, on_delete=models.PROTECT, related_name="user")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    session: SessionBase | None = None
    """The one through which this person acts here, set by whoever recognised it; not stored. It says how they signed
    in, so that without it nobody has a role that takes more than a password."""

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_any_case")]

    @property
    def name(self) -> str:
        """What to call this person; the e-mail address when no name is known."""
        return self.party.name or self.email

    @property
    def first_name(self) -> str:
        return self.party.name.split(" ")[0]

    @property
    def operator_role(self) -> str | None:
        """One of OperatorRole.Role, or None for somebody who is not the operator's staff, or not securely signed in."""
        staff = OperatorRole.objects.filter(user=self).first()
        return staff.role if staff and not self._lacks_second_factor() else None

    @property
    def owes_second_factor(self) -> bool:
        """Staff whose role rests until they have set up a second factor, or used the one they have in this session."""
        return self._lacks_second_factor() and OperatorRole.objects.filter(user=self).exists()

    @property
    def has_second_factor(self) -> bool:
        return bool(is_mfa_enabled(self))

    def _lacks_second_factor(self) -> bool:
        """That the account has one is not enough: a session may be older, and somebody else's who knew the password."""
        return bool(settings.REQUIRE_OPERATOR_MFA) and not (self._has_used_second_factor() and self.has_second_factor)

    def _has_used_second_factor(self) -> bool:
        if self.session is None:
            return False
        request = HttpRequest()
        request.session = self.session
        return any(record["method"] == "mfa" for record in get_authentication_records(request, self))


class OperatorRole(models.Model):
    """What a member of the operator's staff may do. Homeowners have none."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "Viewer"
        OPERATOR = "operator", "Operator"
        TECHNICIAN = "technician", "Technician"
        BILLING = "billing", "Billing clerk"
        ADMIN = "admin", "Administrator"

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="staff_role")
    role = models.CharField(max_length=12, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(role__in=["viewer", "operator", "technician", "billing", "admin"]),
                name="operator_role_known",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.role}"
