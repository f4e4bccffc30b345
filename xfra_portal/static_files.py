"""Static files: hashed names, and front-end libraries taken from installed Python packages."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage, Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):
    """Content-hashed names, also inside `import` statements of ES modules. The list of them is served to nobody."""

    support_js_module_import_aggregation = True
    manifest_strict = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        names = FileSystemStorage(location=settings.STATIC_NAMES_ROOT)
        super().__init__(*args, manifest_storage=names, **kwargs)


_FILES = {"vendor/plotly.min.js": ("plotly", "package_data/plotly.min.js")}


class PackageFinder(BaseFinder):
    """Serves single files out of installed packages, so that no third-party source lives in the repository."""

    def __init__(self, app_names: Any = None, *args: Any, **kwargs: Any) -> None:
        self.paths = {url: _package_folder(package) / inside for url, (package, inside) in _FILES.items()}

    def check(self, **kwargs: Any) -> list[Any]:
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        found = self.paths.get(path)
        if find_all:
            return [str(found)] if found else []
        return str(found) if found else None

    def list(self, ignore_patterns: Any) -> Iterator[tuple[str, Storage]]:
        for url, file in self.paths.items():
            storage = FileSystemStorage(location=str(file.parent))
            storage.prefix = str(Path(url).parent)  # type: ignore[attr-defined]  # collectstatic's own convention
            yield file.name, storage


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed; run: make run")
    return Path(spec.origin).parent
