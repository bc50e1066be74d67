"""Pictures drawn for the tests of working with pictures, and a desk to run such commands at."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import numpy as np
import pytest
from harness import validate
from PIL import Image

from gpt_image2.core.cli import main


class Done(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout, valid by its schema."""
        (line,) = self.stdout.splitlines()
        outcome = json.loads(line)
        validate(outcome)
        return outcome

    @property
    def error(self) -> str:
        """The one line on stderr that says what was wrong."""
        assert self.code == 2, (self.code, self.stderr)
        assert self.stdout == ""
        (line,) = self.stderr.splitlines()
        assert line.startswith("error: ")
        return line


class Desk:
    """A folder of a test's own in which commands are run, in this process: starting Python takes longer."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def run(self, *words: object) -> Done:
        """Runs a command to its end."""
        self._capsys.readouterr()
        with self._inside():
            code = main([str(word) for word in words])
        said = self._capsys.readouterr()
        return Done(code, said.out, said.err)

    def ok(self, *words: object) -> dict[str, Any]:
        """Runs a command that must succeed; its JSON."""
        done = self.run(*words, "--json")
        assert done.code == 0, done.stdout + done.stderr
        return done.json

    def path(self, name: str) -> Path:
        """A file on the desk."""
        return self.folder / name

    def save(self, name: str, picture: np.ndarray | Image.Image, **options: Any) -> Path:
        """Puts a picture on the desk."""
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        image.save(self.folder / name, **options)
        return self.folder / name

    def pixels(self, name: str) -> np.ndarray:
        """The pixels of a file as they are stored."""
        with Image.open(self.folder / name) as image:
            return np.asarray(image)

    def names(self) -> list[str]:
        """What lies on the desk, parts included."""
        return sorted(os.listdir(self.folder))

    @contextmanager
    def _inside(self) -> Iterator[None]:
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            yield
        finally:
            os.chdir(before)


def photo(width: int = 320, height: int = 240, seed: int = 0) -> np.ndarray:
    """Something like a photo: soft shapes of all scales, with a little noise."""
    rng = np.random.default_rng(seed)
    layers = np.zeros((height, width, 3), np.float32)
    for cells in (3, 7, 16, 40):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        layers += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32) / 4
    return np.clip(layers + rng.normal(0, 3, layers.shape), 0, 255).astype(np.uint8)


def edited_area(pixels: np.ndarray) -> np.ndarray:
    """What a mask for the API edits: where its alpha is 0."""
    assert pixels.shape[2] == 4, "a mask is RGBA"
    return pixels[..., 3] == 0


class Subject(NamedTuple):
    """A subject with every kind of edge: its colours (height x width x 3) and alpha (0 to 1), both float."""

    rgb: np.ndarray
    alpha: np.ndarray

    def on(self, colour: tuple[int, int, int], noise: float = 1.5, seed: int = 0) -> np.ndarray:
        """The subject on a flat background, as a model draws it: with a little noise."""
        share = self.alpha[..., None]
        mixed = self.rgb * share + np.array(colour) * (1 - share)
        mixed = mixed + np.random.default_rng(seed).normal(0, noise, mixed.shape)
        return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)

    @property
    def is_soft(self) -> np.ndarray:
        """Where it is neither clear nor opaque."""
        return (self.alpha > 0.03) & (self.alpha < 0.97)

    def alpha_error(self, alpha: np.ndarray) -> float:
        """The mean error of an alpha channel (uint8) on soft pixels, in levels of 255."""
        return float(np.abs(alpha.astype(float) - self.alpha * 255)[self.is_soft].mean())

    def colour_error(self, rgba: np.ndarray) -> float:
        """The mean error of colours on the soft pixels of which one sees something."""
        seen = self.is_soft & (self.alpha > 0.2)
        return float(np.abs(rgba[..., :3].astype(float) - self.rgb)[seen].mean())


def subject(size: int = 400, glow: tuple[int, int, int] = (255, 214, 120)) -> Subject:
    """An opaque disc with a green part, half-clear glass, a glow around, and hair."""
    ys, xs = np.mgrid[0:size, 0:size] + 0.5
    unit = size / 400
    rgb = np.zeros((size, size, 3), np.float64)
    alpha = np.zeros((size, size), np.float64)

    def lay(share: np.ndarray, colour: np.ndarray | tuple[int, int, int]) -> None:
        """Lays a part over what is there already."""
        whole = share + alpha * (1 - share)
        there = whole > 0
        part = (np.broadcast_to(colour, rgb.shape) * share[..., None]) + rgb * (alpha * (1 - share))[
            ..., None
        ]
        rgb[there] = part[there] / whole[there][:, None]
        alpha[:] = whole

    away = np.hypot(xs - 180 * unit, ys - 200 * unit)
    lay(np.clip(1 - (away - 90 * unit) / (50 * unit), 0, 1) ** 2 * 0.8, glow)
    box = (np.abs(xs - 310 * unit) < 50 * unit) & (np.abs(ys - 290 * unit) < 60 * unit)
    lay(box * 0.5, (205, 220, 240))
    for turn in np.linspace(0.2, 2.9, 14):
        along = (xs - 180 * unit) * np.cos(turn) - (ys - 200 * unit) * np.sin(turn)
        off = np.abs((xs - 180 * unit) * np.sin(turn) + (ys - 200 * unit) * np.cos(turn))
        lay(np.clip(1.4 - off, 0, 1) * ((along > 80 * unit) & (along < 160 * unit)), (70, 45, 30))
    lay(np.clip(90 * unit - away + 0.5, 0, 1), photo(size, size, seed=2) * 0.5 + np.array((90, 50, 70)))
    green = np.hypot(xs - 160 * unit, ys - 220 * unit)
    lay(np.clip(25 * unit - green + 0.5, 0, 1), (40, 190, 60))
    return Subject(rgb, alpha)
