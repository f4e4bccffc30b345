"""A passkey made of software: answers the ceremonies of WebAuthn as a phone does, from any origin."""

from __future__ import annotations

import secrets
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

_ANSWERS = AuthenticatorData.FLAG.UP | AuthenticatorData.FLAG.UV


class SoftKey:
    def __init__(self) -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._id = secrets.token_bytes(32)
        self._user = b""

    def register(self, options: dict[str, Any], origin: str) -> dict[str, Any]:
        """The credential that `navigator.credentials.create` would give for the options."""
        asked = options["publicKey"]
        self._user = websafe_decode(asked["user"]["id"])
        public = ES256.from_cryptography_key(self._private.public_key())
        attested = AttestedCredentialData.create(b"\0" * 16, self._id, public)
        flags = _ANSWERS | AuthenticatorData.FLAG.AT
        data = AuthenticatorData.create(sha256(asked["rp"]["id"].encode()), flags, 0, attested)
        said = _client_data("webauthn.create", asked["challenge"], origin)
        made = AttestationObject.create("none", data, {})
        return self._credential({"clientDataJSON": said, "attestationObject": made}) | {
            "clientExtensionResults": {"credProps": {"rk": True}}
        }

    def use(self, options: dict[str, Any], origin: str) -> dict[str, Any]:
        """What `navigator.credentials.get` would give."""
        asked = options["publicKey"]
        data = AuthenticatorData.create(sha256(asked["rpId"].encode()), _ANSWERS, 1)
        said = _client_data("webauthn.get", asked["challenge"], origin)
        signature = self._private.sign(data + said.hash, ec.ECDSA(hashes.SHA256()))
        given = {"clientDataJSON": said, "authenticatorData": data, "signature": signature, "userHandle": self._user}
        return self._credential(given) | {"clientExtensionResults": {}}

    def pretend_to_be(self, other: SoftKey) -> None:
        """Under the other's name, with a private key of its own."""
        self._id, self._user = other._id, other._user

    def _credential(self, response: dict[str, bytes]) -> dict[str, Any]:
        encoded = {name: websafe_encode(value) for name, value in response.items()}
        name = websafe_encode(self._id)
        return {"id": name, "rawId": name, "type": "public-key", "response": encoded}


def _client_data(kind: str, challenge: str, origin: str) -> CollectedClientData:
    return CollectedClientData.create(kind, websafe_decode(challenge), origin)
