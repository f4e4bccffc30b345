"""The key that statements are signed with: given in production, otherwise made once in the data folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from billing import chain
from billing.checks import statements_can_be_signed


@pytest.fixture(autouse=True)
def _forget() -> None:
    chain._loaded.cache_clear()


def test_made_once_and_kept_for_its_owner_alone(tmp_path: Path, settings: Any) -> None:
    settings.STATEMENT_SIGNING_KEY, settings.DATA_DIR = "", tmp_path / "new"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: chain.public_key(), range(8)))
    assert len(keys) == 1
    chain._loaded.cache_clear()
    assert chain.public_key() in keys
    (file,) = (tmp_path / "new").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_signed_and_verified() -> None:
    digest = chain.link_hash(chain.FIRST_HASH, {"b": [1, "ü"], "a": None})
    assert digest == chain.link_hash(chain.FIRST_HASH, {"a": None, "b": [1, "ü"]})
    assert digest != chain.link_hash("1" * 64, {"a": None, "b": [1, "ü"]})
    signature = chain.sign(digest)
    assert chain.is_signed(digest, signature, chain.public_key())
    for wrong in ("", "zz", signature[:-2] + "ff", signature[:-2]):
        assert not chain.is_signed(digest, wrong, chain.public_key())


@pytest.mark.parametrize(
    ("given", "problem"),
    [("", "it is not set"), ("12", "not 64 hexadecimal"), ("x" * 64, "not 64 hexadecimal"), ("1f" * 32, None)],
)
def test_production_needs_one(settings: Any, given: str, problem: str | None) -> None:
    settings.STATEMENT_SIGNING_KEY, settings.IS_PRODUCTION = given, True
    found = statements_can_be_signed()
    assert [problem in str(error.msg) and "openssl rand" in str(error.hint) for error in found] == (
        [True] if problem else []
    )
    if not given:
        with pytest.raises(chain.NoSigningKey):
            chain.public_key()


def test_elsewhere_none_is_needed(settings: Any) -> None:
    settings.STATEMENT_SIGNING_KEY = ""
    assert statements_can_be_signed() == []
