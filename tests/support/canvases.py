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
