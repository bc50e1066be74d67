"""What a release consists of: what is in it, that it is the same wherever it is built, that it installs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from datetime import date
from pathlib import Path

import pytest

from gpt_image2.core.base.about import VERSION

ROOT = Path(__file__).parents[2]
EPOCH = "1800000000"
ARCHIVES = {
    f"gpt-image-2-{VERSION}.zip",
    f"gpt_image2-{VERSION}-py3-none-any.whl",
    f"gpt_image2-{VERSION}.tar.gz",
}
#: What may be in an archive: nothing that is not one of these gets in.
PAGE = r"gpt_image2/studio/page/([a-z]+/)*[A-Za-z0-9-]+\.(d\.ts|js|css|html|svg|json|md)"
PACKAGE = rf"gpt_image2/([a-z_0-9]+/)*[a-z_0-9]+\.pyi?|gpt_image2/py\.typed|{PAGE}"
SKILL = r"SKILL\.md|agents/openai\.yaml|references/[a-z-]+\.(md|schema\.json)|scripts/gpt_image2(_more)?\.py"
WHEEL = (
    rf"{PACKAGE}|gpt_image2/skill/gpt-image-2/({SKILL})|gpt_image2-[\d.]+\.data/data/share/([a-z1._-]+/)+_?gpt-image2(\.fish|\.1)?"
    r"|gpt_image2-[\d.]+\.dist-info/(METADATA|WHEEL|RECORD|entry_points\.txt|licenses/LICENSE)"
)
SDIST = (
    rf"src/({PACKAGE})|skills/gpt-image-2/({SKILL})|completions/[^/]+"
    r"|\.gitignore|CHANGELOG\.md|LICENSE|PKG-INFO|README\.md|pyproject\.toml"
)
#: What lies about where people work, and whose place nobody has forbidden.
LEFTOVERS = {
    "skills/gpt-image-2/.env": "OPENAI_API_KEY=sk-secret",
    "skills/gpt-image-2/.clawhub/origin.json": "{}",
    "skills/gpt-image-2/scripts/__pycache__/gpt_image2.cpython-311.pyc": "cache",
    "skills/gpt-image-2/gpt-image2-output.png": "picture",
    "src/gpt_image2/core/config.json": '{"api_key": "sk-secret"}',
    "src/gpt_image2/scratch.py": "KEY = 'sk-secret'",
    "completions/.gpt-image2.bash.swp": "swap",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `tools/dist.py` builds."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def build(root: Path, target: Path) -> Path:
    command = [sys.executable, "tools/dist.py", "--out", str(target)]
    env = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    subprocess.run(command, cwd=root, env=env, check=True, capture_output=True)
    return target


def names(archive: Path) -> list[str]:
    """The files in an archive, below its top folder if it has one."""
    if archive.suffix == ".gz":
        with tarfile.open(archive) as tar:
            return [member.name.partition("/")[2] for member in tar if member.isfile()]
    with zipfile.ZipFile(archive) as zipped:
        return zipped.namelist()


def strangers(archive: Path, allowed: str) -> list[str]:
    return [name for name in names(archive) if not re.fullmatch(allowed, name)]


def test_only_what_belongs_in_them_is_in_the_archives(built: Path) -> None:
    wheel, sdist, skill = (next(built.glob(kind)) for kind in ("*.whl", "*.tar.gz", "*.zip"))
    assert strangers(wheel, WHEEL) == []
    assert strangers(sdist, SDIST) == []
    assert strangers(skill, f"gpt-image-2/({SKILL})") == []
    tracked = subprocess.run(["git", "ls-files", "skills"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    assert sorted(f"skills/{name}" for name in names(skill)) == sorted(tracked.stdout.decode().split())


def test_the_sums_are_those_of_the_archives(built: Path) -> None:
    lines = [line.split("  ") for line in (built / "SHA256SUMS").read_text("utf-8").splitlines()]
    assert {name for _, name in lines} == ARCHIVES == {path.name for path in built.iterdir()} - {"SHA256SUMS"}
    for digest, name in lines:
        assert hashlib.sha256((built / name).read_bytes()).hexdigest() == digest


def test_built_elsewhere_amid_leftovers_they_are_the_same_to_the_byte(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    for name in filter(None, tracked.stdout.decode().split("\0")):
        if name.startswith(("src/", "skills/", "completions/", "tools/")) or "/" not in name:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)  # another date
    for command in (["init", "--quiet"], ["add", "--all"]):
        subprocess.run(["git", *command], cwd=copy, check=True)
    for name, text in LEFTOVERS.items():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_text(text, "utf-8")
    again = build(copy, tmp_path / "again")
    assert (again / "SHA256SUMS").read_text("utf-8") == (built / "SHA256SUMS").read_text("utf-8")


def test_the_wheel_and_the_zip_make_pictures_on_the_oldest_and_the_newest_python(
    built: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import try_dist

    code = try_dist.main(["--quick", str(built)])
    table = capsys.readouterr().out
    assert code == 0, table
    assert " ok: wheel, zip" in table


def test_a_wheel_that_does_not_answer_is_told_and_fails(
    built: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import try_dist

    this = try_dist.Interpreter(sys.executable, sys.version_info[:3])
    monkeypatch.setattr(try_dist, "discover", lambda: [this])
    monkeypatch.setattr(try_dist, "version", lambda tree: "9.9.9")
    assert try_dist.main(["--quick", str(built)]) == 1
    assert "FAILED: --version says 'gpt-image2 " in capsys.readouterr().out


def test_the_newest_version_of_the_changelog_is_that_of_the_package() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", changelog, re.MULTILINE)
    assert changelog.count("\n## [") == len(headings) + 1, (
        "a heading is neither [Unreleased] nor a version with its date"
    )
    assert headings[0][0] == VERSION
    dates = [date.fromisoformat(day) for _, day in headings]
    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("## [Unreleased]\n\n### Added\n- A thing.\n\n## [0.1.0] - 2026-01-01\n", True),
        ("## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n- A thing.\n", False),
    ],
)
def test_changes_without_a_version_are_seen(text: str, expected: bool) -> None:
    import dist

    assert dist.unreleased(text) is expected
