"""The demo is there when it is whole. Interrupted, it is begun again, in the stack's own database by itself."""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from homes.access import acting_as_system
from homes.models import Node, User
from tests.cast import Cast, needs_database
from xfra_portal import demo
from xfra_portal.local.portal import Options, make_plan


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return {"json": tmp_path / "demo.json", "half": tmp_path / "demo.half"}


@pytest.fixture
def system() -> Iterator[None]:
    with acting_as_system():
        yield


def seed(files: dict[str, Path], url: str = "http://127.0.0.1:8000") -> None:
    call_command("seed_demo", homes=5, url=url, stdout=io.StringIO(), **files)


def _stops(*args: Any) -> Iterator[float]:
    yield 0.2
    raise KeyboardInterrupt


def _goes(*args: Any) -> Iterator[float]:
    yield 1.0


@needs_database
@pytest.mark.usefixtures("system")
class TestCommand:
    @pytest.mark.parametrize("part", ["seed_history", "seed_billing"])
    def test_half_a_demo_is_not_taken_for_a_whole_one(
        self, db: None, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, part: str
    ) -> None:
        monkeypatch.setattr(demo, "seed_history", _goes)
        monkeypatch.setattr(demo, "seed_billing", _goes)
        monkeypatch.setattr(demo, part, _stops)
        with pytest.raises(KeyboardInterrupt):
            seed(files)
        assert demo.exists() and files["half"].exists() and not files["json"].exists()
        with pytest.raises(CommandError, match=r"interrupted while it was made.* `make clean`"):
            seed(files)

    def test_a_whole_one_is_kept_and_told_its_address(
        self, db: None, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(demo, "seed_history", _goes)
        monkeypatch.setattr(demo, "seed_billing", _goes)
        seed(files)
        first = json.loads(files["json"].read_text())
        assert not files["half"].exists() and len(first["nodes"]) == Node.objects.count() == 5
        people = User.objects.count()
        seed(files, "http://127.0.0.1:8001")
        assert json.loads(files["json"].read_text()) == {**first, "url": "http://127.0.0.1:8001"}
        assert User.objects.count() == people
        assert stat.S_IMODE(files["json"].stat().st_mode) == 0o600

    def test_a_database_that_holds_anything_else_is_never_to_be_discarded(
        self, cast: Cast, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(demo, "seed_history", _stops)
        with pytest.raises(KeyboardInterrupt):
            seed(files)
        assert not files["half"].exists()


def _doing(options: Options) -> list[str]:
    return [step.doing for step in make_plan(options).steps]


@pytest.mark.parametrize("is_half", [True, False])
@pytest.mark.parametrize("is_own", [True, False])
def test_the_stack_begins_again_in_its_own_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_half: bool, is_own: bool
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere.else/xfra")
    if is_own:
        monkeypatch.delenv("DATABASE_URL")
    options = Options(tmp_path, 8000)
    kept = tmp_path / "postgres" / "data" / "PG_VERSION"
    kept.parent.mkdir(parents=True)
    kept.touch()
    if is_half:
        options.half_a_demo.touch()
    discarded = is_half and is_own
    assert any("again, since the last time was interrupted" in doing for doing in _doing(options)) == discarded
    assert kept.exists() == (not discarded)
    assert options.half_a_demo.exists() == (is_half and not is_own)
    assert not any("again" in doing for doing in _doing(options)), "once"
