"""Our apps on phones: how the platforms know them by name and signature, and what passkeys say they come from."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from django.core.exceptions import ImproperlyConfigured

_ANDROID: Final = re.compile(r"([A-Za-z]\w*(?:\.[A-Za-z]\w*)+)=((?:[0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})")
_IOS: Final = re.compile(r"[A-Z0-9]{10}\.[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")


@dataclass(frozen=True)
class AndroidApp:
    """A package, and the SHA-256 of a certificate that it is signed with as `AB:CD:...`."""

    package: str
    sha256: str

    @property
    def passkey_origin(self) -> str:
        """What Android names as the origin of a passkey that this app uses."""
        digest = bytes.fromhex(self.sha256.replace(":", ""))
        return "android:apk-key-hash:" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def android_apps(given: list[str]) -> list[AndroidApp]:
    """From `package=fingerprint` each. An app with two certificates is named twice."""
    found = []
    for each in given:
        match = _ANDROID.fullmatch(each.strip())
        if match is None:
            raise ImproperlyConfigured(
                f"XFRA_ANDROID_APPS: {each!r} is not a package, =, and the SHA-256 of its signing certificate as"
                " 32 pairs of hexadecimal digits with colons between, as `keytool -list -v` prints it."
            )
        found.append(AndroidApp(match[1], match[2].upper()))
    return found


def ios_apps(given: list[str]) -> list[str]:
    """Application identifiers: the team's, a dot, the bundle's."""
    for each in given:
        if not _IOS.fullmatch(each.strip()):
            raise ImproperlyConfigured(
                f"XFRA_IOS_APPS: {each!r} is not a team's ten characters, a dot, and a bundle identifier."
            )
    return [each.strip() for each in given]
