"""Time and memory of each command for pictures, on one of 3840x2160: `python -m bench.working`.

The paid ones are answered by a sandbox in a process of its own. Writes `bench/PICTURES.md`. Processor time is
what the command takes on an idle machine with one core.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 3840, 2160
#: What each command may take.
LIMIT_S, LIMIT_MIB = 10.0, 600.0
RESULTS = Path(__file__).with_name("PICTURES.md")
COMMANDS = (
    "mask photo.png --polygon 5%,5% 95%,20% 60%,90% --subtract --ellipse 30%,30%,20%,20% --grow 3% "
    "--feather 2% -o mask.png --overlay look.png",
    "compose photo.png edit.png --mask mask.png -o composed.png",
    "check composed.png --against photo.png --mask mask.png --map map.png --size 3840x2160 --alpha",
    "cutout green.png -o key.png",
    "cutout black.png --pair white.png -o pair.png",
    "fit photo.png --exact 1200x630 --under 300KB -o small.jpg",
    "fit photo.png --under 2MB -o whole.webp",
    "sheet photo.png edit.png key.png -o sheet.png",
    "show photo.png",
    "edit photo.png sofa --area ellipse:30%,30%,20%,20% -o area.png",
    "edit photo.png sofa --area ellipse:30%,30%,20%,20% --keep-outside -o kept.png",
    "edit photo.png sofa --mask mask.png --keep-outside --size 3840x2160 -o kept.webp",
    "edit photo.png room --extend left=10%,right=10% -o wide.png",
    "generate cat --exact 3800x2000 --under 2MB -o page.jpg",
    "edit photo.tiff sofa --size square -o converted.png",
    "generate cat --cutout --background opaque --size 3840x2160 -o key.png",
    "generate cat --glass --size 3840x2160 -o glass.png",
)
#: What tells two rows of one command apart.
SHOWN_FLAGS = ("--pair", "--keep-outside", "--area", "--extend", "--exact", "--cutout", "--glass")


def main() -> int:
    """Runs every command once and writes the table; 1 where one was beyond a limit."""
    with tempfile.TemporaryDirectory() as folder:
        # By a process of its own: a child's memory is counted from that of its parent on.
        subprocess.run([sys.executable, "-m", "bench.working", folder], check=True)
        with _sandbox() as base_url:
            rows = [_measured(command, folder, base_url) for command in COMMANDS]
    lines = [
        f"One run each, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.",
        "",
        "| command | processor s | elapsed s | MiB |",
        "|---|--:|--:|--:|",
        *(f"| `{name}` | {cpu:.1f} | {elapsed:.1f} | {mib:.0f} |" for name, cpu, elapsed, mib in rows),
        "",
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
    return int(any(cpu > LIMIT_S or mib > LIMIT_MIB for _, cpu, _, mib in rows))


@contextmanager
def _sandbox() -> Generator[str]:
    """A sandbox that answers at once; its base URL."""
    words = [sys.executable, "-m", "gpt_image2.sandbox", "--port", "0", "--latency", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[1]
        process.terminate()


def _measured(command: str, folder: str, base_url: str) -> tuple[str, float, float, float]:
    words = [sys.executable, "-m", "gpt_image2", *command.split(), "--quiet"]
    env = {**os.environ, "HOME": folder, "GPT_IMAGE2_BASE_URL": base_url, "GPT_IMAGE2_API_KEY": "sandbox"}
    started = time.monotonic()
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(words, cwd=folder, env=env, stdout=quiet, stderr=quiet)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 10):
        raise SystemExit(f"{command}: exit {process.returncode}")
    shown = [flag for flag in SHOWN_FLAGS if f"{flag} " in command and command.split()[0] != "fit"]
    name = " ".join([command.split(" -")[0], *shown])
    return name, usage.ru_utime + usage.ru_stime, elapsed, usage.ru_maxrss / 1024


def _draw(folder: Path) -> None:
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (90, 160, 3), dtype=np.uint8))
    wide = np.asarray(coarse.resize((WIDTH + 8, HEIGHT + 8), Image.Resampling.BICUBIC))
    noise = rng.integers(0, 6, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    photo, edit = (wide[at : at + HEIGHT, at : at + WIDTH] // 2 + noise for at in (4, 2))
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    away = np.hypot(xs - WIDTH / 2, ys - HEIGHT / 2)
    alpha = np.clip(1 - (away - HEIGHT / 4) / (HEIGHT / 6), 0, 1)[..., None]
    pictures = {"photo": photo, "edit": edit}
    for name, ground in (("green", (0, 255, 0)), ("black", (0, 0, 0)), ("white", (255, 255, 255))):
        pictures[name] = (photo * alpha + np.array(ground, np.float32) * (1 - alpha)).astype(np.uint8)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(folder / f"{name}.png", compress_level=1)
    Image.fromarray(photo).save(folder / "photo.tiff")


if __name__ == "__main__":
    sys.exit(main() if len(sys.argv) == 1 else _draw(Path(sys.argv[1])))
