"""Making homes with nodes: tokens, the command that prints them, and what it says when it cannot."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from homes.access import acting_as_system
from homes.models import Battery, Gpu, Home, InternetLine, InventoryEvent, Membership, Node, NodeCredential
from homes.models.credentials import hash_secret, parse_token
from homes.models.places import validate_timezone
from homes.provisioning import register_gpus
from tests.cast import Cast, needs_database

TOKENS = [
    ("xfn_1_secret", (1, "secret")),
    ("xfn_00012_a_b", (12, "a_b")),
    ("xfn_999999999999999999_s", (999_999_999_999_999_999, "s")),
    ("xfn_1_", None),
    ("xfn__s", None),
    ("xfn_1", None),
    ("xfn_x_s", None),
    ("xfn_-1_s", None),
    ("xfn_+1_s", None),
    ("xfn_1.0_s", None),
    ("xfn_ 1_s", None),
    ("xfn_²_s", None),
    ("xfn_٣_s", None),
    ("xfn_1000000000000000000_s", None),
    ("XFN_1_s", None),
    ("xfu_1_s", None),
    (" xfn_1_s", None),
    ("", None),
]


@pytest.mark.parametrize(("token", "parsed"), TOKENS)
def test_tokens(token: str, parsed: tuple[int, str] | None) -> None:
    assert parse_token(token) == parsed


@given(st.text())
def test_any_text_is_a_token_or_none(text: str) -> None:
    parsed = parse_token(text)
    assert parsed is None or text.startswith("xfn_")


@pytest.mark.parametrize("name", ["", "Phoenix", "UTC+7", "America/phoenix", "../etc/passwd"])
def test_a_home_is_in_a_real_time_zone(name: str) -> None:
    with pytest.raises(ValidationError, match="IANA"):
        validate_timezone(name)
    validate_timezone("America/Phoenix")


@pytest.mark.parametrize(
    ("name", "is_known"),
    [
        ("America/Los_Angeles", True),
        ("Australia/Lord_Howe", True),
        ("Asia/Kolkata", True),
        ("Asia/Kathmandu", True),
        ("Antarctica/Troll", False),
    ],
)
def test_a_home_is_where_a_day_has_whole_quarter_hours(name: str, is_known: bool) -> None:
    if is_known:
        validate_timezone(name)
    else:
        with pytest.raises(ValidationError, match="changes its clock by more than an hour"):
            validate_timezone(name)


@pytest.fixture
def system(db: None) -> Iterator[None]:
    with acting_as_system():
        yield


class _Full(io.StringIO):
    """Output that takes nothing."""

    def __init__(self, fails: str) -> None:
        super().__init__()
        self._fails = fails

    def write(self, text: str) -> int:
        if self._fails == "write":
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def provision_node(*args: Any, **options: Any) -> str:
    out = io.StringIO()
    call_command("provision_node", *args, stdout=out, **options)
    return out.getvalue()


@needs_database
@pytest.mark.usefixtures("system")
class TestCommand:
    def test_a_token_and_a_configuration_that_an_agent_can_load(self) -> None:
        printed = provision_node("xfra-00042", timezone="America/New_York", url="https://portal.example/")
        token = printed.splitlines()[0].removeprefix("token: ")
        loaded = yaml.safe_load(printed.split("\n", 2)[2])
        (write,) = loaded["remote_write"]
        assert write["url"] == "https://portal.example/api/v1/write"
        assert write["authorization"] == {"credentials": token}
        assert {job["job_name"] for job in loaded["scrape_configs"]} == {"dcgm", "node"}
        assert all(job["static_configs"][0]["targets"] for job in loaded["scrape_configs"])
        node = Node.objects.get(hostname="xfra-00042")
        assert node.home.timezone == "America/New_York"
        assert node.expected_gpus == 16
        assert Battery.objects.filter(home=node.home).exists()
        assert InternetLine.objects.filter(home=node.home).exists()
        credential_id, secret = parse_token(token) or (0, "")
        assert NodeCredential.objects.live().get(pk=credential_id, node=node).matches(secret)

    def test_the_secret_is_not_kept(self) -> None:
        token = provision_node("xfra-1").splitlines()[0].removeprefix("token: ")
        secret = token.split("_", 2)[2]
        held = bytes(NodeCredential.objects.get(node__hostname="xfra-1").secret_sha256)
        assert held == hash_secret(secret)
        assert len(secret) >= 43
        assert secret.encode() not in held

    def test_many(self, tmp_path: Path) -> None:
        file = tmp_path / "tokens.json"
        said = provision_node(count=12, json=file)
        tokens = json.loads(file.read_text())
        assert list(tokens) == [f"xfra-{i:05d}" for i in range(12)]
        assert said == f"12 nodes; tokens in {file}\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        for hostname, token in tokens.items():
            credential_id, secret = parse_token(token) or (0, "")
            credential = NodeCredential.objects.get(pk=credential_id)
            assert credential.node.hostname == hostname
            assert credential.matches(secret)
        assert Home.objects.count() == 12

    def test_a_name_that_is_taken(self) -> None:
        provision_node("xfra-1")
        with pytest.raises(CommandError, match="exists"), transaction.atomic():
            provision_node("xfra-1")
        assert Home.objects.count() == 1

    def test_one_of_many_is_taken(self, tmp_path: Path) -> None:
        """Nothing is made whose token nobody would ever see."""
        provision_node("xfra-00003")
        file = tmp_path / "tokens.json"
        with pytest.raises(CommandError, match="exists"), transaction.atomic():
            provision_node(count=5, json=file)
        assert not file.exists()
        assert Home.objects.count() == Node.objects.count() == 1

    def test_a_file_that_cannot_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError, match="nothing was made"):
            provision_node(count=2, json=tmp_path / "nowhere" / "tokens.json")
        assert not Node.objects.exists()

    @pytest.mark.parametrize("fails", ["write", "flush"])
    @pytest.mark.parametrize("command", ["provision_node", "provision_many", "node_token"])
    def test_a_token_that_could_not_be_shown_was_not_made(self, tmp_path: Path, command: str, fails: str) -> None:
        """Through a pipe that is closed, or onto a disk that is full."""
        provision_node("xfra-9")
        file = tmp_path / "tokens.json"
        arguments: dict[str, tuple[str, list[str], dict[str, Any]]] = {
            "provision_node": ("provision_node", ["xfra-1"], {}),
            "provision_many": ("provision_node", [], {"count": 2, "json": file}),
            "node_token": ("node_token", ["xfra-9"], {"issue": True}),
        }
        name, positional, options = arguments[command]
        with pytest.raises(CommandError, match=r"nothing was made|none was issued"):
            call_command(name, *positional, stdout=_Full(fails), **options)
        assert list(Node.objects.values_list("hostname", flat=True)) == ["xfra-9"]
        assert NodeCredential.objects.count() == 1 and not file.exists()

    MISTAKES = [
        ({}, "name the node"),
        ({"count": 3}, "needs --json"),
        ({"count": 0, "json": Path("unused")}, "at least 1"),
        ({"count": -1, "json": Path("unused")}, "at least 1"),
        ({"hostname": "x", "timezone": "Mars/Olympus"}, "Mars/Olympus"),
        ({"hostname": "x" * 64}, "too long"),
    ]

    @pytest.mark.parametrize(("options", "said"), MISTAKES)
    def test_mistakes_are_explained(self, options: dict[str, Any], said: str) -> None:
        with pytest.raises(CommandError, match=said), transaction.atomic():
            provision_node(**options)
        assert not Node.objects.exists()
        assert not Path("unused").exists()


@needs_database
@pytest.mark.usefixtures("system")
class TestModels:
    def test_two_tokens_live_and_revoking_is_final(self, cast: Cast) -> None:
        first = NodeCredential.objects.get(node=cast.node)
        second, token = NodeCredential.issue(cast.node)
        assert token != cast.node_token
        assert NodeCredential.objects.live().filter(node=cast.node).count() == 2
        first.revoke()
        first.refresh_from_db()
        at = first.revoked_at
        first.revoke()
        first.refresh_from_db()
        assert first.revoked_at == at is not None
        assert set(NodeCredential.objects.live().filter(pk__in=[first.pk, second.pk])) == {second}
        assert token.split("_")[2] not in str(second)

    def test_one_owner_per_home(self, cast: Cast) -> None:
        with pytest.raises(IntegrityError, match="home_has_one_owner"), transaction.atomic():
            Membership.objects.create(home=cast.home, user=cast.people["outsider"], role="owner")
        with pytest.raises(IntegrityError, match="membership_once"), transaction.atomic():
            Membership.objects.create(home=cast.home, user=cast.people["member"], role="viewer")
        with pytest.raises(IntegrityError, match="membership_role_known"), transaction.atomic():
            Membership.objects.create(home=cast.other_home, user=cast.people["member"], role="guest")

    def test_gpus_known_beforehand(self, cast: Cast) -> None:
        at = timezone.now()
        gpus = register_gpus(cast.other_node, ["GPU-a", "GPU-b"], "RTX", at)
        assert [(gpu.slot, gpu.uuid, gpu.first_seen_at) for gpu in gpus] == [(0, "GPU-a", at), (1, "GPU-b", at)]
        events = InventoryEvent.objects.filter(gpu_uuid__in=["GPU-a", "GPU-b"])
        assert {(event.kind, event.at) for event in events} == {("new", at)}
        with pytest.raises(IntegrityError), transaction.atomic():
            register_gpus(cast.node, ["GPU-a"], "RTX", at)
        assert Gpu.objects.get(uuid="GPU-a").node == cast.other_node

    def test_inventory_is_append_only(self, cast: Cast) -> None:
        assert InventoryEvent.objects.exists()
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            InventoryEvent.objects.update(kind="gone")
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            InventoryEvent.objects.all()._raw_delete(using="default")
