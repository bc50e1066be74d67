#!/usr/bin/env python3
"""Install what is in dist/ into fresh environments, one for each Python found, and make pictures with it.

On each: the wheel alone answers, makes a picture and installs the skill; the script from the zip makes one;
the sdist is built and installed. From Python 3.10 on, the wheel with its extras makes one in a sandbox of
its own and works on it. What the extras and the build need comes from the package index.

`--quick`: the oldest and the newest Python, the wheel alone and the zip, nothing from anywhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from consoles import prepare_consoles
from demo import sandbox, user_environment
from dist import ROOT, SKILL, version
from test_matrix import UV, Interpreter, Outcome, choose, discover, summarize

EXTRAS_SINCE = (3, 10)
TIMEOUT_S = 600
PNG = b"\x89PNG\r\n\x1a\n"


class Failed(Exception):
    """Something that was built does not do what it should."""


class Place:
    """A virtual environment, a home and a working folder, all new."""

    def __init__(self, root: Path, python: Interpreter, base_url: str) -> None:
        self.venv, self.work = root / "venv", root / "work"
        home = root / "home"
        for folder in (home, self.work):
            folder.mkdir(parents=True)
        run([*UV, "venv", "--quiet", "--python", python.path, str(self.venv)], self.work, dict(os.environ))
        self.bin = self.venv / ("Scripts" if os.name == "nt" else "bin")
        env = {name: value for name, value in user_environment(home).items() if name != "PYTHONPATH"}
        self.env = {**env, "GPT_IMAGE2_BASE_URL": base_url, "GPT_IMAGE2_API_KEY": "sandbox"}

    def install(self, *what: str) -> None:
        """Install into the environment."""
        python = str(self.bin / "python")
        command = [*UV, "pip", "install", "--quiet", "--reinstall-package", "gpt-image2", "--python", python]
        run([*command, *what], self.work, {**os.environ, "UV_PYTHON_DOWNLOADS": "never"})

    def command(self, *args: str) -> str:
        """Run the installed command; what it prints."""
        return run([str(self.bin / "gpt-image2"), *args], self.work, self.env)

    def script(self, skill: Path, *args: str) -> str:
        """Run a skill's script with the environment's Python; what it prints."""
        script = str(skill / "scripts" / "gpt_image2.py")
        return run([str(self.bin / "python"), "-I", script, *args], self.work, self.env)

    def expect_picture(self, name: str) -> None:
        """Look whether a picture was made."""
        path = self.work / name
        if not path.is_file() or path.read_bytes()[:8] != PNG:
            raise Failed(f"{name} is no picture")


def run(command: Sequence[str], cwd: Path, env: Dict[str, str]) -> str:
    """Run a command to its end; what it prints.

    Raises:
        Failed: it failed, or did not end.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)}: no end after {TIMEOUT_S} s") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise Failed(f"{' '.join(command)} exited with {done.returncode}: {said[-2000:]}")
    return done.stdout.decode("utf-8")


def try_wheel_alone(place: Place, wheel: Path) -> None:
    """The wheel, with nothing else: it answers, makes a picture, and installs a skill that runs."""
    place.install("--offline", "--no-deps", str(wheel))
    expect_version(place.command("--version"))
    place.command("generate", "From the wheel", "-o", "wheel.png", "--quality", "low")
    place.expect_picture("wheel.png")
    place.command("install-skill", "--to", "./skills")
    expect_version(place.script(place.work / "skills" / SKILL, "--version"))


def try_zip(place: Place, archive: Path) -> None:
    """The skill from the zip makes a picture, and finds its side file."""
    with zipfile.ZipFile(archive) as skill:
        skill.extractall(place.work / "unpacked")
    folder = place.work / "unpacked" / SKILL
    place.script(folder, "generate", "From the zip", "-o", "zip.png", "--quality", "low")
    place.expect_picture("zip.png")
    place.script(folder, "spend")


def try_extras(place: Place, wheel: Path) -> None:
    """The wheel with its extras makes a picture in a sandbox of its own and works on it."""
    place.install(f"gpt-image2[sandbox,mcp,pictures] @ {wheel.as_uri()}")
    place.env = {name: value for name, value in place.env.items() if not name.startswith("GPT_IMAGE2_")}
    place.command("generate", "From a sandbox of its own", "-o", "own.png", "--quality", "low", "--sandbox")
    place.command("fit", "own.png", "--exact", "320x200", "-o", "fitted.png")
    place.command("mcp", "--help")
    place.expect_picture("own.png")
    place.expect_picture("fitted.png")


def try_sdist(place: Place, sdist: Path) -> None:
    """The sdist builds, and what it builds answers."""
    place.install("--no-deps", str(sdist))
    expect_version(place.command("--version"))


def expect_version(told: str) -> None:
    """Look whether the version is that of the package."""
    wanted = f"gpt-image2 {version(ROOT)}"
    if told.strip() != wanted:
        raise Failed(f"--version says {told.strip()!r}, not {wanted!r}")


def try_on(python: Interpreter, archives: Path, base_url: str, quick: bool) -> Outcome:
    """Everything that can be tried on one Python."""
    wheel, sdist = next(archives.glob("*.whl")), next(archives.glob("*.tar.gz"))
    with tempfile.TemporaryDirectory() as folder:
        done: List[str] = []
        try:
            place = Place(Path(folder), python, base_url)
            try_wheel_alone(place, wheel)
            try_zip(place, next(archives.glob("*.zip")))
            done += ["wheel", "zip"]
            if not quick:
                try_sdist(place, sdist)
                done.append("sdist")
                if python.version >= EXTRAS_SINCE:
                    try_extras(place, wheel)
                    done.append("extras")
        except Failed as failure:
            return Outcome(False, str(failure))
    return Outcome(True, ", ".join(done))


def main(argv: Sequence[str]) -> int:
    """Try all of it, and say what came of it."""
    prepare_consoles()
    quick = "--quick" in argv
    folders = [Path(word) for word in argv if word != "--quick"]
    archives = (folders[0] if folders else ROOT / "dist").resolve()
    found = discover()
    results: List[Tuple[Interpreter, Outcome]] = []
    with sandbox("--latency", "0") as base_url:
        for python in choose(found) if quick else found:
            results.append((python, try_on(python, archives, base_url, quick)))
    print(summarize(results))
    return 0 if all(outcome.passed for _, outcome in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
