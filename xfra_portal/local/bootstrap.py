"""Make or refresh the virtual environment: `python3 -I xfra_portal/local/bootstrap.py REQUIREMENTS...`.

Runs as a plain script and keeps to what Python 3.7 understands, so that one that is too old for the portal gets a
sentence and not a traceback.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

_OLDEST = (3, 11)
_VENV = Path(".venv")
_PYTHON = _VENV / "bin" / "python"
_PIP_OPTIONS = ["--require-hashes", "--only-binary=:all:", "--quiet", "--no-input", "--disable-pip-version-check"]


def _try(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command silently; what it said is in the result's `stdout`."""
    return subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, check=False
    )


def _run(command: list[str], failure: str) -> None:
    done = _try(command)
    if done.returncode != 0:
        sys.exit(f"{done.stdout[-4000:]}\nerror: {failure}")


def _is_whole() -> bool:
    """Whether the environment's Python still starts and is of the version that runs this."""
    if not _PYTHON.exists():
        return False
    said = _try([str(_PYTHON), "-I", "-c", "import sys; print(sys.version_info[:2])"]).stdout.strip()
    return said == str(sys.version_info[:2])


def make_environment() -> None:
    """Make the environment, without a pip of its own where the system's Python cannot provide one."""
    if _is_whole():
        return
    print(f"making the virtual environment in {_VENV} (Python {sys.version_info[0]}.{sys.version_info[1]})", flush=True)
    base = [sys.executable, "-m", "venv", "--clear"]
    if _try([*base, str(_VENV)]).returncode != 0:
        _run([*base, "--without-pip", str(_VENV)], "python3 -m venv failed; is your system's package for it installed?")


def _pip() -> list[str]:
    for python, options in ((str(_PYTHON), []), (sys.executable, ["--python", str(_PYTHON)])):
        if _try([python, "-m", "pip", "--version"]).returncode == 0:
            return [python, "-m", "pip", *options]
    sys.exit("error: no pip was found; install python3-venv or python3-pip")


def install(requirements: Path) -> None:
    """Install a hash-pinned list, unless this very list has been installed already."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()
    stamp = _VENV / f"installed-{requirements.name}"
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"installing {requirements} (a minute or two, the first time)", flush=True)
    start = time.monotonic()
    _run([*_pip(), "install", *_PIP_OPTIONS, "-r", str(requirements)], f"installing {requirements} failed")
    stamp.write_text(digest)
    print(f"installed {requirements} in {time.monotonic() - start:.0f} s", flush=True)


def main() -> None:
    if sys.version_info < _OLDEST:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        sys.exit(f"error: Python 3.11 or newer is needed and this is {version}; try make PYTHON=python3.12 ...")
    make_environment()
    for requirements in sys.argv[1:]:
        install(Path(requirements))


if __name__ == "__main__":
    main()
