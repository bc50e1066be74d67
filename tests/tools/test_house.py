"""The order of the house is kept by a machine: an import or a write at the wrong place is refused."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Iterator

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "src" / "gpt_image2" / "core"

#: A module, the import that does not belong in it, and the contract that says so.
WRONG_IMPORTS = {
    "a room imports from one above it": (
        "core/base/redact.py",
        "from ..wire.curl import quote",
        "Imports between the rooms of core run downward",
    ),
    "a room that nobody declared": (
        "core/attic/trunk.py",
        "import json",
        "Imports between the rooms of core run downward",
    ),
    "core imports a layer above it": (
        "core/calls/retry.py",
        "from ...pictures.regions import enclosed",
        "What is built on core imports core, and not one another",
    ),
    "one layer imports another": (
        "mcp/preview.py",
        "from ..sandbox import main",
        "What is built on core imports core, and not one another",
    ),
    "pictures imports a layer above it": (
        "pictures/sizes.py",
        "from ..sandbox import main",
        "What is built on core imports core, and not one another",
    ),
    "a process is started outside wire": (
        "core/outputs/naming.py",
        "import subprocess",
        "Only wire starts a process",
    ),
    "files are written by a room that is not to": (
        "core/telling/report.py",
        "from ..outputs.files import write_private",
        "Only the rooms named here write files",
    ),
}

#: What opens, makes or removes files, by module of core; whatever else writes calls `outputs/files`.
WRITERS = {
    "outputs/files.py": "all of it",
    "outputs/adopt.py": "names or removes the parts of a call that broke off",
    "outputs/inflight.py": "adds to the notes of a call that is under way",
    "outputs/left.py": "marks what somebody has tried to finish",
    "outputs/lines.py": "removes a journal without a line, and the folders that were made for it",
    "outputs/ours.py": "opens files of ours, and asks a folder whose new files are",
    "outputs/owned.py": "makes, marks and deletes temporary folders",
    "outputs/sweeping.py": "deletes what dead processes left, but for whole images",
    "outputs/store.py": "removes the parts that it opened",
    "ledger/database.py": "removes the part that SQLite made whole",
    "telling/streams.py": "opens the null device for a closed stream",
    "commands/make_images.py": "removes an image that standard output took",
    "wire/curl.py": "a private file for headers, where a pipe has no path",
    "batch/jobs_file.py": "copies the jobs into the scratch folder",
    "batch_api/bundle.py": "writes a batch's file into the scratch folder",
    "batch_api/fetch.py": "makes the rescue folder",
    "batch_api/saving.py": "makes the folders of outputs",
    "calls/inputs.py": "begins a fetched input anew in the scratch folder",
}
WRITING_CALLS = {
    "fdopen",
    "link",
    "makedirs",
    "mkdir",
    "mkstemp",
    "rename",
    "rmdir",
    "rmtree",
    "symlink",
    "truncate",
    "unlink",
    "write_bytes",
    "write_text",
}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of the package below a folder."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    return subprocess.run(
        [*command, str(ROOT / "pyproject.toml")],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, to be spoilt."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=unwanted)
    return tmp_path


@pytest.mark.parametrize("name, line, contract", WRONG_IMPORTS.values(), ids=WRONG_IMPORTS)
def test_a_wrong_import_is_refused(name: str, line: str, contract: str, copy: Path) -> None:
    module = copy / "src" / "gpt_image2" / name
    module.parent.mkdir(exist_ok=True)
    for path in (module, module.with_name("__init__.py")):
        path.touch()
    module.write_text(f"{module.read_text(encoding='utf-8')}\n\n{line}\n", encoding="utf-8")
    done = lint(copy)
    broken = [said for said in done.stdout.splitlines() if " BROKEN" in said]
    assert (done.returncode, len(broken)) == (1, 1), done.stdout
    assert broken[0].startswith(contract)


def test_only_the_modules_named_here_write_files() -> None:
    found = {path.relative_to(CORE).as_posix() for path in CORE.rglob("*.py") if any(writes(path))}
    assert found == set(WRITERS)


def writes(path: Path) -> Iterator[str]:
    """The calls in a module that open a file to write to it, or make, move or remove one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        modes = [arg for arg in map(ast.unparse, node.args) if re.fullmatch("'[rbt]*[wxa+][wxa+bt]*'", arg)]
        if (
            name in ("os.open", "os.replace")
            or name.split(".")[-1] in WRITING_CALLS
            or (name == "open" and modes)
        ):
            yield name


def test_no_folder_holds_more_than_twenty_files() -> None:
    for top in ("src", "tests"):
        for folder, below, names in os.walk(ROOT / top):
            below[:] = [name for name in below if not name.startswith(".")]  # what tests have fetched
            files = [name for name in names if not name.endswith(".pyc")]
            assert len(files) <= 20, folder


def test_nothing_but_the_front_door_lies_at_the_root_of_core() -> None:
    assert {path.name for path in CORE.glob("*.py")} == {"__init__.py", "cli.py", "dispatch.py"}
