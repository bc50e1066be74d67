"""One job: what a line of a jobs file says of it, checked and typed."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple, cast

from ..api.models import DEFAULT_MODEL
from ..api.read_fields import by_own_names
from ..api.request import REQUEST_FIELDS, ImageRequest
from ..base.errors import UsageError
from ..base.record import Record, replace
from ..base.redact import show
from ..commands.picture_flags import WISH_FIELDS, PictureWishes, wishes_in

#: How a JSON array begins, and no prompt.
ARRAY_START = re.compile(r"\[\s*(?:[\[{\"\]]|$)")
#: What a line is that is not JSON and looks like no prompt: painted, it would be paid for.
_NO_PROMPTS = (
    ("YAML", re.compile(r"(?:- +)?[\"']?prompt[\"']?\s*:|---$")),
    ("TOML or INI", re.compile(r"prompt\s*=|;")),
    ("a comment", re.compile(r"--")),
    ("XML or HTML", re.compile(r"(?s)<[!?/A-Za-z].*>$")),
    ("a row of a table", re.compile(r"\|.*\|$")),
    ("several lines, by another mark than LF", re.compile(r"(?s).*[\r\v\f\x85\u2028\u2029]")),
)
#: Fields with a place of their own in the key of a job, which must never change; all others are named there.
_IN_THE_KEY = ("model", "prompt", "n", "size", "quality", "output_format", "output_compression", "background")
#: Fields that change nothing of what an image shows.
_NOT_SHOWN = ("stream", "partial_images", "moderation", "user")
_OWN = ("image", "images", "image[]", "mask", "markup", "output", "id")
_LINE_HINT = 'a line is a JSON object such as {"prompt": "a cat"}, or a bare prompt'
#: Names that other tools give to what a job reads or writes. Passed through, such a field would do nothing,
#: and the image would be paid for without its inputs. They are compared without case, `-` and `_`.
_LOOKALIKES = {
    name: meant
    for meant, names in (
        (
            "image",
            "imageurl imageurls imagepath imagepaths imagefile imagefiles inputimage inputimages inputfile",
        ),
        ("image", "input inputs initimage sourceimage refimage refimages referenceimage referenceimages"),
        ("image", "reference references"),
        ("mask", "maskurl maskimage maskpath maskfile"),
        ("markup", "markupurl markupimage markuppath markupfile"),
        ("areas", "area"),
        ("output", "out outfile outpath outputfile outputpath outputname filename saveto saveas"),
    )
    for name in names.split()
}


class Job(Record):
    """One job. `request` has no images yet: `sources`, `mask` and `markup` name them. `output` is below the
    output folder, None for a name made from the prompt. `wishes` are what is to be done with its pictures."""

    request: ImageRequest
    sources: Tuple[str, ...] = ()
    mask: Optional[str] = None
    markup: Optional[str] = None
    output: Optional[str] = None
    id: Optional[str] = None
    wishes: Optional[PictureWishes] = None


def read_job(text: str, defaults: Job) -> Tuple[Job, Tuple[str, ...]]:
    """The job of a line, not yet checked, and the names of its fields that are not known here; a `UsageError`
    where it is no job."""
    text = text.strip()
    unknown: Tuple[str, ...] = ()
    if text.startswith("{") or ARRAY_START.match(text):
        content = _parsed(text)
        if not isinstance(content, dict):
            raise UsageError("it is a JSON array, and no job", hint=_LINE_HINT)
        job, unknown = _from_object(cast(Dict[str, Any], content), defaults)
    else:
        job = replace(defaults, request=replace(defaults.request, prompt=_bare_prompt(text)))
    for what, source in (("mask", job.mask), ("markup", job.markup)):
        if source is not None and not job.sources:
            raise UsageError(f"it has a {what} and no image", hint="name the image to edit in image")
    return job, unknown


def _parsed(text: str) -> Any:
    """The object or array of a line, which JSON and UTF-8 can carry on."""
    try:
        content: Any = json.loads(text)
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("it has half a character (a lone surrogate) in it", hint="mend its text") from None
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "") or "a number that JSON does not have, or nested too deeply"
        raise UsageError(f"not valid JSON: {reason}", hint=_LINE_HINT) from None
    return content


def _from_object(content: Dict[str, Any], defaults: Job) -> Tuple[Job, Tuple[str, ...]]:
    fields = by_own_names({name: value for name, value in content.items() if value is not None})
    if "format" in fields:
        fields.setdefault("output_format", fields.pop("format"))
    kinds = {"prompt": str, **REQUEST_FIELDS}
    known: Dict[str, Any] = {
        name: _typed(fields.pop(name), name, kind) for name, kind in kinds.items() if name in fields
    }
    own = {name: fields.pop(name) for name in _OWN if name in fields}
    wished = {name: fields.pop(name) for name in WISH_FIELDS if name in fields}
    for name in fields:
        meant = _LOOKALIKES.get(_plain(name))
        if meant:
            raise UsageError(
                f"field {show(name, limit=40)!r} is not known; did you mean {meant}?",
                hint="a field that the server itself knows goes with --param",
            )
    extra = {**dict(defaults.request.extra), **fields}
    if not known.get("prompt") and not defaults.request.prompt:
        raise UsageError("it has no prompt", hint=_LINE_HINT)
    if known.get("output_format") in ("gif", "svg"):  # no default of all jobs makes these stream
        known = {"stream": False, "partial_images": None, **known}
    job = Job(
        request=replace(defaults.request, extra=tuple(extra.items()), **known),
        sources=_sources(own) or defaults.sources,
        mask=_typed(own["mask"], "mask", str) if "mask" in own else defaults.mask,
        markup=_typed(own["markup"], "markup", str) if "markup" in own else defaults.markup,
        output=_typed(own["output"], "output", str) if "output" in own else None,
        id=_job_id(own["id"]) if "id" in own else None,
        wishes=wishes_in(wished, defaults.wishes),
    )
    return job, tuple(fields)


def job_key(
    request: ImageRequest,
    inputs: Sequence[str],
    mask: Optional[str],
    markup: Optional[str] = None,
    wishes: Optional[PictureWishes] = None,
) -> str:
    """The SHA-256, in hex, of all that decides what a job's images show; `inputs`, `mask` and `markup` are
    hashes too.
    How the request travels (`stream`), and what only the provider's checks see (`moderation`, `user`), is no
    part of it."""
    wire = request.wire_fields("output_format")
    further = {name: value for name, value in wire.items() if name not in (*_IN_THE_KEY, *_NOT_SHOWN)}
    content: List[object] = [
        request.model or DEFAULT_MODEL,
        request.prompt,
        request.count,
        request.effective_size,
        request.effective_quality,
        request.effective_format,
        request.output_compression,
        request.background or "auto",
        sorted(further.items()),
        list(inputs),
        mask,
        *([markup] if markup is not None else []),
        *([] if wishes is None else [{name: value for name, value in vars(wishes).items() if value}]),
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


def _bare_prompt(text: str) -> str:
    """The text as it stands, or the JSON string that it is; a `UsageError` where it is other JSON."""
    try:
        value: Any = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        kind = "an array in JSON"
    except ValueError:
        kind = next((kind for kind, pattern in _NO_PROMPTS if pattern.match(text)), None)
        if kind is None:
            return text
    else:
        if isinstance(value, str):
            return value
        kind = ("an array" if isinstance(value, list) else "a number, true, false or null") + " in JSON"
    raise UsageError(
        f"it is {kind}, and no job",
        hint=f"{_LINE_HINT}; write a prompt that looks so as a JSON string: {json.dumps(text[:20])}",
    )


def _no_constant(name: str) -> object:
    raise ValueError(name)  # NaN is a word; JSON has no such number


def is_header(text: str) -> bool:
    """Whether a line names fields of jobs and nothing else, as the first line of a table does."""
    if text.startswith('"') and text.count('"') == 2 and text.endswith('"'):
        return False  # a JSON string: a prompt
    words = [word.strip().strip('"') for word in re.split("[,;\t]", text)]
    known = {_plain(name) for name in ("prompt", "format", *REQUEST_FIELDS, *_OWN, *WISH_FIELDS)} | set(
        _LOOKALIKES
    )
    return "prompt" in map(_plain, words) and all(_plain(word) in known for word in words)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _sources(own: Dict[str, Any]) -> Tuple[str, ...]:
    sources: List[str] = []
    for name in ("image", "images", "image[]"):
        value: Any = own.get(name, [])
        for source in cast(List[Any], value if isinstance(value, list) else [value]):
            if not isinstance(source, str) or not source or source == "-":
                raise UsageError(
                    f"{name} must name files or http(s) addresses", hint="for example image: a.png"
                )
            sources.append(source)
    return tuple(sources)


def _job_id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _typed(value, "id", str)


def _typed(value: Any, name: str, kind: type) -> Any:
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    wanted = {str: "a text", int: "a whole number", bool: "true or false"}[kind]
    raise UsageError(f"{name} must be {wanted}, found {show(json.dumps(value), limit=40)}", hint=_LINE_HINT)
