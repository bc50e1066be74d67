"""Makes what the contestants run in, from the package registries, into `bench/.cache`; kept there."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "bench" / ".cache"
SCRIPT = ROOT / "skills" / "gpt-image-2" / "scripts" / "gpt_image2.py"

#: Everything that is fetched, in one place.
PIP = "pip>=25.2,<27"  # older ones write a start script that imports `re`, about 5 ms a start
OPENAI = "openai>=3.50,<4"
RUST_PEER = "gpt-image-2-skill"
RUST_PEER_RANGE = "^0.7.4"

_PYTHON_TAG = f"python{sys.version_info.major}.{sys.version_info.minor}"


class NotAvailable(Exception):
    """A contestant cannot be had on this machine; the text says why."""


def ours() -> Path:
    """The bin folder of a clean environment with our wheel in it, bytecode compiled."""
    sources = [*sorted((ROOT / "src").rglob("*.py")), *sorted((ROOT / "skills").rglob("*.*"))]
    content = [(ROOT / "pyproject.toml").read_bytes()]
    content += [path.read_bytes() for path in sources if path.is_file() and path.suffix != ".pyc"]
    stamp = hashlib.sha256(b"\0".join(content)).hexdigest()
    return _environment("ours", stamp, ["--no-deps", "--force-reinstall", str(ROOT)])


def openai() -> Path:
    """The bin folder of an environment with the official SDK, bytecode compiled."""
    return _environment("openai", OPENAI, [OPENAI])


def bare() -> Path:
    """The bin folder of an environment with nothing in it."""
    return _environment("bare", "bare", [])


def rust_peer() -> tuple[Path, Path]:
    """The npm package: its native program, and the command that npm installs (Node, which starts it).

    Raises:
        NotAvailable: no npm, or no build for this machine.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise NotAvailable("npm is not installed")
    folder = CACHE / "npm"
    wanted = f"{RUST_PEER}@{RUST_PEER_RANGE}"
    if _stamp(folder) != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        _run([npm, "install", "--no-audit", "--no-fund", "--prefix", str(folder), wanted])
        (folder / "stamp").write_text(wanted)
    native = sorted((folder / "node_modules").glob(f"{RUST_PEER}-*/bin/{RUST_PEER}*"), key=_is_static)
    if not native:
        raise NotAvailable(f"{RUST_PEER} has no program for {sys.platform}")
    return native[0], folder / "node_modules" / ".bin" / RUST_PEER


def rust_peer_version() -> str:
    """The version of the npm package that is installed."""
    manifest = CACHE / "npm" / "node_modules" / RUST_PEER / "package.json"
    return str(json.loads(manifest.read_text(encoding="utf-8"))["version"])


def _is_static(path: Path) -> tuple[bool, str]:
    """Builds against the system's libc come first, as the package itself chooses where there is a glibc."""
    return "static" in str(path), str(path)


def _environment(name: str, stamp: str, packages: Sequence[str]) -> Path:
    folder = CACHE / f"{name}-{_PYTHON_TAG}"
    stamp = f"{PIP} {stamp}"
    bin_folder = folder / ("Scripts" if sys.platform == "win32" else "bin")
    if _stamp(folder) == stamp:
        return bin_folder
    if not (_stamp(folder).startswith(f"{PIP} ") and (bin_folder / "python").exists()):
        venv.create(folder, with_pip=True, clear=True)
        _run([str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "--upgrade", PIP])
    if packages:
        _run([str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "--compile", *packages])
    (folder / "stamp").write_text(stamp)
    return bin_folder


def _stamp(folder: Path) -> str:
    stamp = folder / "stamp"
    return stamp.read_text() if stamp.is_file() else ""


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise NotAvailable(f"{' '.join(command[:4])} … failed:\n{done.stdout[-1500:]}")
