#!/usr/bin/env python3
"""Build what a release consists of, in dist/: wheel, sdist, the skill as a zip, and their SHA256SUMS.

Built from a copy of the files that git knows, so that no cache, key or leftover gets in; and the same to the
byte wherever and whenever it is built: all dates are SOURCE_DATE_EPOCH, by default that of the last commit
(https://reproducible-builds.org/specs/source-date-epoch/).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import List, Sequence

from consoles import prepare_consoles

ROOT = Path(__file__).resolve().parent.parent
GIT = shutil.which("git") or "git"
SKILL = "gpt-image-2"
SUMS = "SHA256SUMS"


def build(target: Path) -> List[Path]:
    """Build all archives and their sums into a folder; the archives' paths, sorted.

    Raises:
        subprocess.CalledProcessError: git or the build failed; what they said is on stderr.
    """
    epoch = source_date_epoch()
    target.mkdir(parents=True, exist_ok=True)
    for old in [*target.glob("gpt_image2-*"), *target.glob(f"{SKILL}-*.zip"), *target.glob(SUMS)]:
        old.unlink()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        copy_tracked(tree)
        command = [sys.executable, "-m", "hatchling", "build", "-d", str(target.resolve())]
        env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
        subprocess.run(command, cwd=tree, env=env, check=True, stdout=subprocess.DEVNULL)
        zip_skill(tree / "skills" / SKILL, target / f"{SKILL}-{version(tree)}.zip", epoch)
    archives = sorted(path for path in target.iterdir() if path.suffix in (".gz", ".whl", ".zip"))
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in archives]
    (target / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")
    return archives


def source_date_epoch() -> int:
    """The date of everything in the archives, in seconds since 1970."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))


def copy_tracked(target: Path) -> None:
    """Copy the files that git tracks, as they lie in the working tree."""
    for name in git("ls-files", "-z").split("\0"):
        source = ROOT / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)


def zip_skill(skill: Path, target: Path, epoch: int) -> None:
    """Zip the skill as one folder, which ClawHub and `npx skills add` take once it is unpacked."""
    date = time.gmtime(max(epoch, 315532800))[:6]  # a zip knows no date before 1980
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(skill.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo(f"{SKILL}/{path.relative_to(skill).as_posix()}", date)
                entry.create_system = 3  # Unix, on every system, so that the modes count
                entry.external_attr = (0o100755 if os.access(path, os.X_OK) else 0o100644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, path.read_bytes())


def version(tree: Path) -> str:
    """The version, as the package says it."""
    about = (tree / "src/gpt_image2/core/base/about.py").read_text(encoding="utf-8")
    return re.findall(r'^VERSION = "(.+)"$', about, re.MULTILINE)[0]


def unreleased(changelog: str) -> bool:
    """Whether the changelog has changes that belong to no version yet."""
    section = changelog.partition("## [Unreleased]\n")[2].partition("\n## [")[0]
    return bool(section.strip())


def git(*args: str) -> str:
    """What git prints."""
    done = subprocess.run([GIT, *args], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode("utf-8")


def main(argv: Sequence[str]) -> int:
    """Build, and say what was built, and what is odd about it."""
    prepare_consoles()
    parser = argparse.ArgumentParser(
        description="Build wheel, sdist, the skill as a zip, and their checksums."
    )
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR", help="default: dist")
    target = parser.parse_args(argv).out
    for path in build(target):
        print(f"{path} ({path.stat().st_size // 1024} KB)")
    print(target / SUMS)
    if git("status", "--porcelain", "--untracked-files=no"):
        print("NOTE: changes that are not committed are in these archives", file=sys.stderr)
    if unreleased((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")):
        print("NOTE: CHANGELOG.md has changes under [Unreleased]: they have no version yet", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
