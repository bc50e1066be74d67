"""Run the Quick Start of the skill's script against the offline sandbox.

Everything goes as for a user with a key: plain `python3`, a configuration made by `config --init` and edited.
Home and configuration are in a temporary folder; the pictures go to demo/ in the repository.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Dict, Generator

from consoles import prepare_consoles
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = "skills/gpt-image-2/scripts/gpt_image2.py"
PYTHON = os.environ.get("PYTHON", "python3")
PICTURES = Path("demo")
READY = "Sandbox: "
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10


class DemoError(Exception):
    """The demo cannot go on."""


@contextmanager
def sandbox(*flags: str) -> Generator[str, None, None]:
    """The base URL of a sandbox of our own, ended on leaving."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        command = [sys.executable, "-m", "gpt_image2.sandbox", "--port", "0", *flags]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8")
        try:
            assert process.stdout is not None
            yield wait_until_ready(process.stdout, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()


def wait_until_ready(stdout: IO[str], log: IO[str]) -> str:
    """The base URL, which the sandbox says on its first line."""
    readable = select.select([stdout], [], [], START_TIMEOUT_S)[0]
    line = stdout.readline() if readable else ""
    if line.startswith(READY):
        return line[len(READY) :].strip()
    log.seek(0)
    raise DemoError(f"the sandbox did not start:\n{line}{log.read()}")


def user_environment(home: Path) -> Dict[str, str]:
    """The environment of a user whose home is a new folder, and who has no key."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("GPT_IMAGE2_", "OPENAI_"))
    }
    folders = {"HOME": home, "XDG_CONFIG_HOME": home / ".config", "XDG_STATE_HOME": home / ".local/state"}
    loopback = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return {**kept, **{name: str(folder) for name, folder in folders.items()}, **loopback}


def run_script(env: Dict[str, str], *args: str) -> None:
    """Show and run one command of the script; its own output goes through."""
    command = [PYTHON, SCRIPT, *args]
    say(f"\n$ {shlex.join(command)}")
    code = subprocess.run(command, env=env, check=False).returncode
    if code:
        raise DemoError(f"the command exited with {code}")


def edit_config(config: Path, base_url: str) -> None:
    """Put the sandbox in the place of the official API, as a user would with an editor; the mode stays."""
    say(f"\n# Edit {config}: base_url {base_url}, api_key sandbox")
    config.write_text(
        json.dumps({"base_url": base_url, "api_key": "sandbox"}, indent=2) + "\n", encoding="utf-8"
    )


def make_mask(picture: Path, mask: Path) -> None:
    """A mask of the picture's size: the transparent middle is what may change."""
    say(f"\n# Make {mask}: transparent, so to be changed, in the middle")
    with Image.open(picture) as image:
        width, height = image.size
    canvas = Image.new("RGBA", (width, height), (0, 0, 0, 255))
    box = (width // 4, height // 4, width * 3 // 4, height * 3 // 4)
    ImageDraw.Draw(canvas).ellipse(box, fill=(0, 0, 0, 0))
    canvas.save(mask)


def describe(picture: Path) -> str:
    """Path, format and size of a picture that is valid to its last byte."""
    with Image.open(picture) as image:
        image.load()
        return f"{ROOT / picture} ({image.format} {image.width}x{image.height})"


def quick_start(base_url: str, home: Path) -> None:
    """Configure, generate, edit, look."""
    cat, mask, edited = (PICTURES / name for name in ("cat.png", "mask.png", "edited.png"))
    env = user_environment(home)
    run_script(env, "config", "--init")
    edit_config(home / ".config/gpt-image-2/config.json", base_url)
    run_script(env, "generate", "A cute cat on a windowsill", "-o", str(cat), "--quality", "low")
    make_mask(cat, mask)
    run_script(env, "edit", str(cat), "Change the sofa to green", "--mask", str(mask), "-o", str(edited))
    say("\nThe pictures, drawn by the sandbox, not by a model:")
    for picture in (cat, edited):
        say(f"  {describe(picture)}")


def say(text: str) -> None:
    """Print at once, so that lines stand in order with those of the commands."""
    print(text, flush=True)


def stop(number: int, _frame: object) -> None:
    """Leave on a signal by way of every `finally`."""
    sys.exit(128 + number)


def main() -> int:
    """Run the demo; the sandbox and the temporary home are gone afterwards, whatever happened."""
    prepare_consoles()
    signal.signal(signal.SIGTERM, stop)
    os.chdir(ROOT)
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    try:
        with tempfile.TemporaryDirectory() as home, sandbox() as base_url:
            quick_start(base_url, Path(home))
    except (DemoError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
