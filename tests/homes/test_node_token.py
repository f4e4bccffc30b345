"""The tokens of a node over its life: listed, rotated, revoked; and never more than two that work."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from homes.access import acting_as_system
from homes.models import NodeCredential
from homes.models.credentials import parse_token
from tests.cast import Cast, needs_database

pytestmark = needs_database


@pytest.fixture(autouse=True)
def system(db: None) -> Iterator[None]:
    with acting_as_system():
        yield


def node_token(*args: Any) -> str:
    out = io.StringIO()
    call_command("node_token", *map(str, args), stdout=out)
    return out.getvalue()


def live(cast: Cast) -> list[int]:
    return list(NodeCredential.objects.live().filter(node=cast.node).order_by("pk").values_list("pk", flat=True))


def test_a_token_takes_the_place_of_another(cast: Cast) -> None:
    (old,) = live(cast)
    printed = node_token(cast.node.hostname, "--issue")
    new, secret = parse_token(printed.removeprefix("token: ").strip()) or (0, "")
    assert NodeCredential.objects.get(pk=new, node=cast.node).matches(secret)
    assert live(cast) == [old, new]
    assert f"xfn_{old}_...  revoked" in node_token(cast.node.hostname, "--revoke", old)
    assert live(cast) == [new]


def test_the_list_says_what_is_live_and_shows_no_secret(cast: Cast) -> None:
    printed = node_token(cast.node.hostname, "--issue").removeprefix("token: ").strip()
    first, second = node_token(cast.node.hostname, "--list").splitlines()
    assert "live, issued 20" in first and "never used" in first
    assert second.startswith(f"xfn_{live(cast)[1]}_...  live")
    assert printed.split("_", 2)[2] not in first + second


def test_a_third_live_one_is_refused(cast: Cast) -> None:
    node_token(cast.node.hostname, "--issue")
    with pytest.raises(CommandError, match="two tokens of this node are live: revoke one first"):
        node_token(cast.node.hostname, "--issue")
    assert len(live(cast)) == 2
    node_token(cast.node.hostname, "--revoke", live(cast)[0])
    node_token(cast.node.hostname, "--issue")
    assert len(live(cast)) == 2


def test_revoking_is_final_and_said_twice_it_is_done_once(cast: Cast) -> None:
    (only,) = live(cast)
    assert "no live token now" in node_token(cast.node.hostname, "--revoke", only)
    at = NodeCredential.objects.get(pk=only).revoked_at
    node_token(cast.node.hostname, "--revoke", only)
    assert NodeCredential.objects.get(pk=only).revoked_at == at is not None
    with pytest.raises(IntegrityError, match="a revoked token stays revoked"), transaction.atomic():
        NodeCredential.objects.filter(pk=only).update(revoked_at=None)


def test_a_token_of_another_node_is_not_revoked(cast: Cast) -> None:
    (only,) = live(cast)
    with pytest.raises(CommandError, match=f"{cast.other_node.hostname} has no token {only}"):
        node_token(cast.other_node.hostname, "--revoke", only)
    assert live(cast) == [only]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("xfra-unknown", "--list"), "no node is called xfra-unknown"),
        (("cast-00001",), "one of the arguments"),
        (("cast-00001", "--issue", "--list"), "not allowed with"),
        (("cast-00001", "--revoke", "xfn_1"), "invalid int"),
    ],
)
def test_mistakes_are_explained(cast: Cast, args: tuple[str, ...], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        node_token(*args)
