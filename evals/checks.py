"""The named checks of the judge: each says what is wrong with a run, or nothing. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

from .recording import Box, File, Recording


@dataclass(frozen=True)
class Check:
    """`wrong` says what is wrong with a run; an empty text where nothing is."""

    name: str
    wrong: Callable[[Recording], str]


def picture(
    pattern: str,
    count: int = 1,
    *,
    format: str = "png",  # noqa: A002 - the API's own name
    size: tuple[int, int] | None = None,
    alpha: bool | None = None,
    most_bytes: int | None = None,
    wider_than: float = 0,
    frames: int = 1,
) -> Check:
    """So many files of this name are pictures of this kind."""

    def is_meant(file: File) -> bool:
        return (
            file.format == format
            and (size is None or (file.width, file.height) == size)
            and (alpha is None or file.alpha is alpha)
            and (most_bytes is None or file.bytes <= most_bytes)
            and (not wider_than or file.width > wider_than * file.height)
            and file.frames >= frames
        )

    def wrong(run: Recording) -> str:
        named = {
            name: file
            for name, file in run.files.items()
            if fnmatch(name, pattern) and run.inputs.get(name) != file.sha256
        }
        good = [name for name, file in named.items() if is_meant(file)]
        return (
            "" if len(good) == count else f"{len(good)} of {count} {pattern} are as asked for; found: {named}"
        )

    return Check("picture", wrong)


def inside(name: str, source: str, box: Box) -> Check:
    """A picture differs from its source, and inside the box only."""

    def wrong(run: Recording) -> str:
        file = run.files.get(name)
        changed = file.changed.get(source) if file else None
        if changed is None:
            return f"{name} is missing, has another size than {source}, or is the same"
        within = all(a >= b for a, b in zip(changed[:2], box[:2])) and all(
            a <= b for a, b in zip(changed[2:], box[2:])
        )
        return "" if within else f"{name} differs from {source} in {changed}, which is not inside {box}"

    return Check("inside", wrong)


def sent(count: int | None = None, endpoint: str = "", files: int | None = None, **fields: str) -> Check:
    """That many requests (any number but 0) had these values; `quality="low|medium"` allows several."""

    def is_meant(post: Mapping[str, Any]) -> bool:
        return (
            (not endpoint or post["endpoint"] == endpoint)
            and (files is None or len(post["files"]) == files)
            and all(re.fullmatch(value, str(post["fields"].get(name, ""))) for name, value in fields.items())
        )

    def wrong(run: Recording) -> str:
        found = sum(is_meant(post) for post in run.posts)
        told = ", ".join([endpoint, *(f"{name}={value}" for name, value in fields.items())]).strip(", ")
        return "" if (found if count is None else found == count) else f"{found} requests had {told}"

    return Check("sent", wrong)


def prompt_has(*parts: str) -> Check:
    """Some request's prompt holds each of these, in any case of the letters."""

    def wrong(run: Recording) -> str:
        prompts = "\n".join(str(post["prompt"]) for post in run.posts).casefold()
        missing = [part for part in parts if part.casefold() not in prompts]
        return f"no prompt holds {missing}" if missing else ""

    return Check("prompt_has", wrong)


def requests(most: int, least: int = 0) -> Check:
    """The server got that many requests for images."""

    def wrong(run: Recording) -> str:
        return "" if least <= len(run.posts) <= most else f"{len(run.posts)} requests, not {least} to {most}"

    return Check("requests", wrong)


def in_batches(count: int) -> Check:
    """The Batch API ran so many requests."""

    def wrong(run: Recording) -> str:
        found = len(run.journal["batch_requests"])
        return "" if found == count else f"the Batch API ran {found} requests, not {count}"

    return Check("in_batches", wrong)


def through(fault: str) -> Check:
    """Every request came by this way (a fault of the sandbox tells them apart)."""

    def wrong(run: Recording) -> str:
        other = [post["fault"] for post in run.posts if post["fault"] != fault]
        return "" if run.posts and not other else f"requests came by {other or 'no way'}, not by {fault}"

    return Check("through", wrong)


def told(*patterns: str) -> Check:
    """The answer to the user matches each of these."""

    def wrong(run: Recording) -> str:
        missing = [each for each in patterns if not re.search(each, run.answer, re.IGNORECASE)]
        return f"the answer does not match {missing}" if missing else ""

    return Check("told", wrong)


def ran(*words: str) -> Check:
    """Some command that ended well has these words."""

    def wrong(run: Recording) -> str:
        good = [each for each in run.commands if each.exit == 0 and set(words) <= set(each.words)]
        return "" if good else f"no command that ended well has {' '.join(words)}"

    return Check("ran", wrong)


def opens(pattern: str) -> Check:
    """Some link of the answer to this machine is of this form, and opens in the user's browser."""

    def wrong(run: Recording) -> str:
        good = [url for url, status in run.opened.items() if re.fullmatch(pattern, url) and status == 200]
        return "" if good else f"no link of the answer that opens is like {pattern}: {dict(run.opened)}"

    return Check("opens", wrong)


def did_not_use(*flags: str) -> Check:
    """No command has one of these flags."""

    def wrong(run: Recording) -> str:
        used = sorted({word for each in run.commands for word in each.words if word.split("=")[0] in flags})
        return f"used {', '.join(used)}" if used else ""

    return Check("did_not_use", wrong)


def inputs_untouched() -> Check:
    """Every input is as it was."""

    def wrong(run: Recording) -> str:
        changed = [
            name for name, sha in run.inputs.items() if getattr(run.files.get(name), "sha256", "") != sha
        ]
        return f"changed or deleted: {', '.join(changed)}" if changed else ""

    return Check("inputs_untouched", wrong)


def key_untold(key: str) -> Check:
    """The key is not in the answer."""
    return Check("key_untold", lambda run: "the answer holds the key" if key in run.answer else "")
