"""What a mistyped command line meant: the command or flag that is nearest, the quotes that a prompt lacks.

Looks whether words are files, nothing else.
"""

from __future__ import annotations

import os
from argparse import ArgumentParser
from difflib import get_close_matches
from typing import Callable, Iterable, List, Mapping, Sequence, Tuple

from ..base.about import called, in_quotes
from ..base.errors import UsageError

#: What other tools and people call a command.
_OTHER_NAMES = {
    "create": "generate",
    "draw": "generate",
    "image": "generate",
    "img": "generate",
    "make": "generate",
    "new": "generate",
    "inpaint": "edit",
    "price": "cost",
    "estimate": "cost",
    "log": "history",
    "init": "config",
    "settings": "config",
    "check-config": "doctor",
    "view": "show",
    "install": "install-skill",
}
#: Where a prompt stands: the names of that argument.
_PROMPTS = ("prompt", "words")
#: Flags whose value a message does not repeat: it may be a key, or hold one.
_UNTOLD = ("api_key", "base_url")
_LIKENESS = 0.6


def unknown_command(words: Sequence[str], names: Sequence[str], above: str = "") -> UsageError:
    """For a first word that is no command, or is none below another."""
    word, program = words[0], f"{called()} {above}".strip()
    see = f"see {program} --help"
    listed = f"the commands are {', '.join(names)}; {see}"
    meant = _nearest(word, names) or ([_OTHER_NAMES[word]] if word in _OTHER_NAMES and not above else [])
    if word.startswith("-"):
        listed = f"the command comes first, then its flags; {listed}"
    elif meant:
        listed = f"did you mean {_either(meant)}? {see}"
    elif above == "batch" and os.path.isfile(os.path.expanduser(word)):
        listed = f"to run its jobs: {program} run {' '.join(map(in_quotes, words))}"
    elif " " in word.strip():
        listed = f"for an image of it: {program} generate {in_quotes(word)}; {see}"
    return UsageError(f"unknown command {above} {word!r}".replace("  ", " "), hint=listed)


def unknown_words(parser: ArgumentParser, argv: Sequence[str], unknown: Sequence[str]) -> UsageError:
    """For a command line with words that its parser does not know."""
    flags = [word.partition("=")[0] for word in unknown if word.startswith("-") and word != "-"]
    see = f"see {parser.prog} --help"
    if flags:
        meant = _flags_like(parser, flags[0])
        if flags[0] == "--prompt" and any(name in _PROMPTS for name in _standing(parser)):
            see = f"the prompt needs no flag: {_example(parser, 'a cat')}"
        elif meant:
            see = f"did you mean {_either(meant)}? {see}"
        return UsageError(f"unknown flag{'s' * (len(flags) > 1)} {', '.join(flags)}", hint=see)
    places = _standing(parser)
    if places and places[-1] in _PROMPTS:
        return _unquoted(parser, argv, len(places))
    return UsageError(f"unrecognized arguments: {' '.join(unknown)}", hint=see)


def missing_prompt(command: str, sources: Sequence[str]) -> UsageError:
    """For a command line without the text that an image is made from."""
    program = f"{called()} {command}"
    if command != "edit":
        return UsageError("a prompt is missing", hint=f'for example: {program} "a cat" -o cat.png')
    if not sources:
        example = f'{program} photo.png "make it night" -o night.png'
        return UsageError("an image and a prompt are missing", hint=f"for example: {example}")
    first, *more = (in_quotes(source) for source in sources)
    images = " ".join([first, *(f"--image {source}" for source in more)])
    return UsageError(
        f"edit needs a prompt too: it was given {images} and no text",
        hint=f'for example: {program} {images} "make it night"',
    )


def _unquoted(parser: ArgumentParser, argv: Sequence[str], places: int) -> UsageError:
    """For a prompt whose words stand apart, or a second image without its flag."""
    words, flags = _taken_apart(parser, argv)
    images, prompt = words[: places - 1], words[places - 1 :]
    shown = [in_quotes(" ".join(prompt))]
    what = f"the prompt is {len(prompt)} words apart: put it in quotes"
    if images and all(os.path.isfile(os.path.expanduser(word)) for word in prompt[:-1]):
        shown = [*(f"--image {in_quotes(word)}" for word in prompt[:-1]), in_quotes(prompt[-1])]
        what = "each further image needs --image"
    command = " ".join([parser.prog, *map(in_quotes, images), *shown, *flags])
    return UsageError(what, hint=command)


def _taken_apart(parser: ArgumentParser, argv: Sequence[str]) -> Tuple[List[str], List[str]]:
    """The words of a command line that are no flags, and the flags as they may be shown."""
    known = parser._option_string_actions  # pyright: ignore[reportPrivateUsage]
    words: List[str] = []
    flags: List[str] = []
    rest = iter(argv)
    for word in rest:
        name, equals, _ = word.partition("=")
        action = known.get(name) or (None if word.startswith("--") else known.get(word[:2]))
        if word == "--":
            words += rest
        elif action is None:
            words.append(word)
        else:
            has_value = action.nargs != 0 and name in known and not equals
            value = [next(rest, "")] if has_value else []
            untold = action.dest in _UNTOLD
            flags += [name, "…"] if untold else map(in_quotes, [word, *value])
    return words, flags


def _standing(parser: ArgumentParser) -> List[str]:
    """The names of a parser's arguments that are no flags."""
    actions = parser._actions  # pyright: ignore[reportPrivateUsage]
    return [action.dest for action in actions if not action.option_strings]


def _example(parser: ArgumentParser, prompt: str) -> str:
    images = ["photo.png"] if "image" in _standing(parser) else []
    return " ".join([parser.prog, *images, f'"{prompt}"'])


def _flags_like(parser: ArgumentParser, flag: str) -> List[str]:
    """The flags that may be meant: by the name of the API's field, by likeness, by how they begin."""
    actions = parser._option_string_actions  # pyright: ignore[reportPrivateUsage]
    long = [name for name in actions if name.startswith("--")]
    field = flag.lstrip("-").lower().replace("-", "_")
    by_field = [name for name in long if actions[name].dest == field]
    return by_field[-1:] or _nearest(f"--{flag.lstrip('-')}", long)


def _nearest(word: str, names: Iterable[str]) -> List[str]:
    names = list(names)
    begins = sorted((name for name in names if word.strip("-") and name.startswith(word.lower())), key=len)
    if begins and all(each.startswith(begins[0]) for each in begins):
        begins = begins[:1]  # --output, not --output-compression
    return begins[:3] or get_close_matches(word.lower(), names, 1, _LIKENESS)


def _either(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


#: Who tells of which mistake.
MISTAKES: Mapping[str, Callable[..., UsageError]] = {
    "command": unknown_command,
    "words": unknown_words,
    "prompt": missing_prompt,
}
