"""The REST API as an app on somebody's phone uses it."""

from __future__ import annotations

from typing import Any

import httpx

from tests.stack import Stack


def sign_in(stack: Stack, role: str) -> httpx.Client:
    """A client that acts as the first demo person with this role."""
    person = next(user for user in stack.demo["users"] if user["role"] == role)
    given = {"email": person["email"], "password": person["password"]}
    answer = httpx.post(f"{stack.url}/_allauth/app/v1/auth/login", json=given, timeout=30)
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['meta']['access_token']}"}
    return httpx.Client(base_url=f"{stack.url}/api/v1/", headers=headers, timeout=30)


def get(client: httpx.Client, path: str, **parameters: Any) -> Any:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()
