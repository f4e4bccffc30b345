"""Forms of one's own account."""

from __future__ import annotations

from typing import Any

from django import forms

from homes.models import User


class AddressForm(forms.Form):
    email = forms.EmailField(max_length=254, error_messages={"required": "Enter the new email address."})

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        self.fields["email"].error_messages["invalid"] = "Enter one email address, such as name@example.com."

    def clean_email(self) -> str:
        """In small letters, as addresses are kept."""
        wanted = str(self.cleaned_data["email"]).lower()
        if wanted == self._user.email.lower():
            raise forms.ValidationError("This is the address that you sign in with now.")
        return wanted
