"""The commands `history` (with `show`, `redo` and `forget`) and `spend`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import chain, count
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Set, Tuple

from ..api.read_fields import request_from_fields
from ..api.request import REQUEST_FIELDS, ImageRequest
from ..base.about import called
from ..base.errors import UsageError
from ..base.interrupt import StopSwitch
from ..base.outcome import ExitCode
from ..base.record import replace
from ..base.redact import show
from ..commands.make_images import make_images
from ..commands.options import ImageCommand
from ..commands.picture_flags import WISHES
from ..commands.probe import PROBE_COMMAND
from ..ledger.database import LEDGER_NAME, Database, read_database
from ..ledger.derived import DerivedPicture
from ..ledger.entries import SANDBOX_HOST, STDOUT, InputFile, Status
from ..outputs.left import left_behind
from ..outputs.naming import extension
from ..settings.places import state_folder
from ..telling.output import Output
from ..telling.tables import line_of
from .formatting import derivation, details, listing, request_json, spending_json, spending_table
from .options import (
    forget_parser,
    history_parser,
    read_redo_command,
    show_parser,
    spend_parser,
)
from .search import (
    PastRequest,
    find_requests,
    forget_requests,
    made_by_file,
    request_by_id,
)
from .spending import is_rehearsal, spending_rows, sum_of, sums_by


def run_list(words: Sequence[str], output: Output, _: StopSwitch) -> int:
    flags = history_parser().parse_args(list(words))
    if flags.limit < 1:
        raise UsageError(
            f"--limit is {flags.limit}; it must be at least 1", hint="leave it out for the default"
        )
    with ExitStack() as stack:
        found = find_requests(_opened(stack), flags.search, flags.since, flags.limit, flags.profile)
    for line in listing(found):
        output.result(line)
    if not found:
        output.say(
            "nothing is in the history"
            + (" that fits" if flags.search or flags.since or flags.profile else "")
        )
    return _finish(output, "list", {"requests": [request_json(past) for past in found]})


def run_show(words: Sequence[str], output: Output, _: StopSwitch) -> int:
    target = show_parser().parse_args(list(words)).target
    past, _image, picture = _found(target)
    if past is None and picture is None:
        raise _no_such_request(target)
    if picture is not None:
        for line in derivation(picture):
            output.result(line)
    for line in details(past) if past is not None else ():
        output.result(line)
    shown: Dict[str, object] = {"request": None if past is None else request_json(past)}
    if picture is not None:
        shown["picture"] = picture.json()
    return _finish(output, "show", shown)


def run_forget(words: Sequence[str], output: Output, _: StopSwitch) -> int:
    flags = forget_parser().parse_args(list(words))
    if bool(flags.ids) + (flags.before is not None) + flags.all != 1:
        raise UsageError(
            "it must be said in one way what to forget", hint="give ids, or --before WHEN, or --all --yes"
        )
    if flags.all and not flags.yes:
        raise UsageError("--all deletes the whole history", hint="add --yes if that is meant")
    with ExitStack() as stack:
        database = _opened(stack)
        missing = [number for number in flags.ids if request_by_id(database, number) is None]
        if missing:
            raise _no_such_request(", ".join(map(str, missing)))
        forgotten = forget_requests(database, flags.ids, flags.before, flags.all)
    requests, left = len(forgotten), _forget_left(set(forgotten), flags.all)
    words = f"Forgotten: {requests} request{'' if requests == 1 else 's'}; images were not touched"
    output.result(words + (f"; {left} of them cannot be resumed any more" if left else ""))
    return _finish(output, "forget", {"forgotten": requests, "not_resumed": left})


def _forget_left(rows: Set[int], everything: bool) -> int:
    """Deletes what processes that have ended left of these requests; of how many there was something."""
    found = 0
    for left in left_behind(state_folder(os.environ), is_patient=True):
        if everything or left.row in rows:
            left.close()
            found += 1
        else:
            left.leave(was_tried=left.was_tried)
    return found


def run_redo(words: Sequence[str], output: Output, stop: StopSwitch) -> int:
    command = read_redo_command(words)
    past, image_path, _ = _found(command.target)
    if past is None:
        raise _no_such_request(command.target)
    has_own_output = command.output is not None
    fill_in(command, past, image_path)
    if command.missing:
        output_of_missing = _ask_for_missing(command, past, image_path)
        if not has_own_output and past.output != STDOUT:
            command.output = output_of_missing
    url = past.base_url if command.sandbox else command.settings().base_url
    if past.host == SANDBOX_HOST and url != past.base_url and command.base_url is None:
        raise UsageError(
            f"request {past.id} went to the sandbox; this would go to {show(url)}, which may charge for it",
            hint=f"add --sandbox to rehearse it again, or --base-url {show(url)} if it is meant for that",
            code="rehearsal",
        )
    if url != past.base_url and not command.sandbox:
        output.warn(f"request {past.id} went to {show(past.base_url)}; this goes to {show(url)}")
    return make_images(command, output, stop)


def run_spend(words: Sequence[str], output: Output, _: StopSwitch) -> int:
    query = spend_parser().parse_args(list(words))
    with ExitStack() as stack:
        rows = spending_rows(_opened(stack), query.since)
    rehearsals = sum_of(filter(is_rehearsal, rows), "sandbox")
    real = [row for row in rows if not is_rehearsal(row)]
    total = sum_of(real, "real money" if rehearsals.requests else "total")
    groups = sums_by(rows if query.by == "host" else real, query.by)
    foot = [total] if total.requests or not rehearsals.requests else []
    if rehearsals.requests and query.by != "host":
        foot.append(rehearsals)
    for line in spending_table(query.by, groups, foot, total):
        output.result(line)
    if rehearsals.requests:
        cost = f"${rehearsals.cost_usd:.4f} is what it would have cost"
        made = f"What the sandbox made are placeholders: no real money was spent on them ({cost})."
        output.result(line_of([made]))
    output.finish(
        {
            "ok": True,
            "command": "spend",
            "by": query.by,
            "since": query.since,
            "groups": [spending_json(one) for one in groups],
            "requests": total.requests,
            "images": total.images,
            "tokens": total.tokens,
            "total_usd": round(total.cost_usd, 6),
            "sandbox_usd": round(rehearsals.cost_usd, 6),
            "unknown_cost": total.unknown_cost,
            "maybe_billed": total.maybe_billed,
        }
    )
    return ExitCode.OK


def _opened(stack: ExitStack) -> Database:
    """The ledger, closed with the stack; an empty one where there is none yet."""
    database = read_database(state_folder(os.environ) / LEDGER_NAME)
    stack.callback(database.close)
    return database


def _found(target: str) -> Tuple[Optional[PastRequest], Optional[str], Optional[DerivedPicture]]:
    """The request that an id or a file names, the file where it is one that exists, and how that was made
    where it is no image of the request itself."""
    with ExitStack() as stack:
        database = _opened(stack)
        if target.isascii() and target.isdigit():
            return request_by_id(database, int(target)), None, None
        path = os.path.abspath(os.path.expanduser(target))
        past, picture = made_by_file(database, path)
    return past, path if os.path.exists(path) else None, picture


def _no_such_request(target: str) -> UsageError:
    return UsageError(
        f"no request {show(target)} in the history",
        hint="list them: history; a file is found by its content, unless it was changed",
        code="not_in_history",
    )


def _finish(output: Output, action: str, outcome: Dict[str, object]) -> int:
    output.finish({"ok": True, "command": "history", "action": action, **outcome})
    return ExitCode.OK


def fill_in(command: ImageCommand, past: PastRequest, image_path: Optional[str]) -> None:
    """Takes from `past` whatever the command line leaves out: fields, inputs, mask and output. By default its
    output is a free name beside `image_path`, else beside the first image of the request."""
    if past.command == PROBE_COMMAND:
        raise UsageError(
            f"request {past.id} is a probe of a base URL", hint="send a new one: doctor --probe --yes"
        )
    inputs = () if command.sources else past.inputs
    has_own = bool(command.mask or command.markup or command.area or command.extend or command.to)
    beside = {
        name: file for name, file in (("mask", past.mask), ("markup", past.markup)) if file and not has_own
    }
    command.request = _changed_request(past, command.request)
    _wish_again(command, past.wishes or {}, has_own)
    if "mask" in beside and beside["mask"].source.startswith("--"):
        _say_again(command, beside.pop("mask").source.split())
    if command.output is None and past.output == STDOUT and image_path is None:
        command.output = STDOUT
    elif command.output is None:
        command.output = _beside(past, image_path, command.request.effective_format)
        command.no_clobber = True
    if inputs:
        command.sources = tuple(_kept_source(past, file, "input image") for file in inputs)
    for name, file in beside.items():
        setattr(command, name, _kept_source(past, file, name))
    command.command = "edit" if command.sources else "generate"
    kept = (*inputs, *beside.values())
    command.expected_sha256 = tuple((file.path or file.source, file.sha256) for file in kept)


def _ask_for_missing(command: ImageCommand, past: PastRequest, image_path: Optional[str]) -> str:
    """Asks for the images alone that `past` did not deliver, nor another since by the name that was meant.

    Returns the output to ask for: of one image the name that was meant for it; of more that of all, each of
    which then has the next number that is free.
    """
    was = Path(past.output)
    folder = Path(image_path).parent if image_path else was.parent
    asked = request_from_fields(past.prompt, past.model, past.fields).count
    names = [was.name] if asked == 1 else [f"{was.stem}-{at}{was.suffix}" for at in range(1, asked + 1)]
    there = {image.number for image in past.images}
    missing = [
        str(folder / name)
        for number, name in enumerate(names, 1)
        if number not in there and not (asked > 1 and os.path.lexists(str(folder / name)))
    ]
    if past.status == Status.PENDING.value:
        raise UsageError(
            f"request {past.id} has not ended", hint=f"{called()} resume fetches its images, for free"
        )
    if not missing:
        raise UsageError(
            f"request {past.id} lacks no image; nothing was sent", hint="leave --missing out to paint it anew"
        )
    if command.request.count not in (asked, len(missing)):
        raise UsageError(
            f"{len(missing)} images are missing, not {command.request.count}", hint="leave --n out"
        )
    command.request = replace(command.request, n=len(missing))
    return missing[0] if len(missing) == 1 else str(folder / was.name)


def _changed_request(past: PastRequest, changes: ImageRequest) -> ImageRequest:
    """The request as it was, but for the fields that are set in `changes`."""
    given = {name: getattr(changes, name) for name in ("prompt", *REQUEST_FIELDS)}
    changed = {name: value for name, value in given.items() if value not in (None, "") and value is not False}
    was: Mapping[str, Any] = (past.wishes or {}).get("asked") or {}
    fields = {**past.fields, **{name: value for name, value in was.items() if name != "prompt"}}
    fields = {name: value for name, value in fields.items() if value is not None}
    request = request_from_fields(was.get("prompt", past.prompt), past.model, fields)
    extra = {**dict(request.extra), **dict(changes.extra)}
    return replace(request, extra=tuple(extra.items()), **changed)


def _kept_source(past: PastRequest, file: InputFile, what: str) -> str:
    if file.source == "-":
        raise UsageError(
            f"the {what} of request {past.id} came from standard input and was not kept",
            hint=_replacement(what),
        )
    if file.path and not os.path.isfile(file.path):
        raise UsageError(
            f"the {what} of request {past.id} is missing: {file.path}",
            hint=f"put it back, or {_replacement(what)}",
        )
    return file.path or file.source


def _say_again(command: ImageCommand, words: Sequence[str]) -> None:
    """Sets the flags that a mask was made from: it was not kept."""
    for flag, value in zip(words[::2], words[1::2]):
        if flag == "--area":
            command.area = [*(command.area or ()), value]
        elif flag in ("--extend", "--to"):  # which have chosen the size
            setattr(command, flag[2:], value)
            command.request = replace(command.request, size=None)


def _wish_again(command: ImageCommand, wishes: Mapping[str, Any], has_own_mask: bool) -> None:
    """Sets the flags for what was done with the pictures, but for those that do not go with what is given."""
    around = {"keep_outside", "extend", "to"}
    clear = {"cutout", "glass"}
    left_out: Set[str] = {"extend", "to"} if has_own_mask else set()
    if command.markup:
        left_out |= around
    if any(getattr(command, name) for name in clear):
        left_out |= around | clear
    if any(getattr(command, name) for name in around):
        left_out |= clear
    for wish in WISHES:
        if wish.name in wishes and wish.name not in left_out and not getattr(command, wish.name):
            setattr(command, wish.name, wishes[wish.name])


def _replacement(what: str) -> str:
    return f"give another with --{'image' if what == 'input image' else what}"


def _beside(past: PastRequest, image_path: Optional[str], output_format: str) -> str:
    """A free name like that of the output that was asked for, in the folder where its image is now."""
    asked = Path(image_path or past.output)
    was = past.fields.get("output_format") or "png"
    if asked.suffix and was != output_format:
        asked = asked.with_suffix(f".{extension(output_format)}")
    names = (asked.with_name(f"{asked.stem}-{number}{asked.suffix}") for number in count(1))
    return str(next(path for path in chain([asked], names) if not os.path.lexists(str(path))))
