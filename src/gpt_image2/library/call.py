"""One call of the library: what its arguments ask for, and how its images are handed over.

An image that is to be in memory, or in a file that the program has opened, is first a private file like any
other; it goes when the program has the bytes. What ends in between finds it in the rescue folder.
"""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Callable, Dict, Generator, List, Mapping, Optional, Sequence, Tuple, cast

from ..core.api.checks import checked
from ..core.api.cost import CostEstimate
from ..core.api.request import REQUEST_FIELDS, ImageRequest
from ..core.base import outcome as core
from ..core.base.errors import GptImage2Error, OutputError, UsageError
from ..core.base.events import Observer
from ..core.base.record import Record, replace
from ..core.calls.client import Client as CoreClient
from ..core.calls.under_way import PreparedCall
from ..core.commands.finishing import Finishing
from ..core.commands.picture_flags import PictureWishes, wishes_in
from ..core.ledger.entries import STDOUT
from ..core.outputs.files import private_folder
from .arguments import as_arguments, read_arguments, value_of, wrong_type
from .inputs import Inputs, loaded, read_inputs
from .options import EditOptions, GenerateOptions, RequestOptions
from .outcome import Result, SavedImage, image_of, result_of

#: What a call may be given besides the prompt.
EDIT_NAMES = tuple(EditOptions.__annotations__)
GENERATE_NAMES = tuple(GenerateOptions.__annotations__)
STREAM_NAMES = tuple(name for name in ("image", *EDIT_NAMES) if name != "stream")
_ANY_PROMPT = "-"


class ImageCall(Record):
    """What is asked for. `inputs` are those of an edit; `path` is where the images go, None for `file`, an
    open binary file, or for memory; `wishes` are what is to be done with pictures around the call."""

    request: ImageRequest
    inputs: Optional[Inputs]
    path: Optional[str]
    file: Any
    no_clobber: bool
    save_partials: bool
    max_cost_usd: Optional[float]
    no_wait: bool
    wishes: Optional[PictureWishes] = None

    @property
    def stays_in_memory(self) -> bool:
        """Whether no file of the user's is named."""
        return self.path is None


def read_call(
    function: str, prompt: object, given: Mapping[str, Any], known: Sequence[str], **own: object
) -> ImageCall:
    """The call that the arguments ask for; `own` are those that are no option.

    Raises:
        TypeError: there is an argument of no such name.
        UsageError: a value has another type than is wanted.
    """
    options: Dict[str, Any] = {**read_arguments(function, given, known), **own}
    request = request_of(prompt, options)
    inputs: Optional[Inputs] = None
    if "image" in options:
        inputs = read_inputs(options["image"], options.get("mask"), options.get("markup"))
    elif options.get("mask") is not None or options.get("markup") is not None:
        raise UsageError("`mask` and `markup` are for an edit", hint="give `image` as well")
    path, file = _read_output(options.get("output"))
    call = ImageCall(
        request=request,
        inputs=inputs,
        path=path,
        file=file,
        no_clobber=bool(options.get("no_clobber")),
        save_partials=bool(options.get("save_partials")),
        max_cost_usd=options.get("max_cost_usd"),
        no_wait=bool(options.get("no_wait")),
        wishes=wishes_in(options),
    )
    if call.no_wait and call.wishes is not None and call.wishes.need_extra:
        raise UsageError("`no_wait` ends before there is an image to work on", hint="leave it out")
    if file is not None and request.n not in (None, 1):
        raise UsageError("an open file takes one image", hint="leave `n` out, or give `output` a folder")
    if file is not None and call.no_wait:
        raise UsageError("an open file waits for its image", hint="leave `no_wait` out")
    return call


def request_of(prompt: object, options: Mapping[str, Any]) -> ImageRequest:
    """The fields of the API among the options, as a request; its model is empty where none is named."""
    fields: Dict[str, Any] = {name: options[name] for name in REQUEST_FIELDS if name in options}
    extra: Mapping[str, object] = options.get("extra") or {}
    text: str = value_of("prompt", prompt)
    if not fields.setdefault("model", "-").strip():
        raise UsageError("`model` is empty", hint="leave it out for that of the settings")
    fields["model"] = options.get("model", "")
    return ImageRequest(text, extra=tuple(extra.items()), **fields)


def read_stream(prompt: object, given: Mapping[str, Any]) -> ImageCall:
    """The call of a `stream`; see `read_call`."""
    options = dict(given)
    image: object = options.pop("image", None)
    edits = {} if image is None else {"image": image}
    return read_call("stream", prompt, options, STREAM_NAMES, stream=True, **edits)


def estimated(
    client: CoreClient, prompt: str, input_images: int, given: Mapping[str, Any]
) -> Optional[CostEstimate]:
    """What a call would cost; see `Client.estimate`."""
    options = read_arguments("estimate", given, tuple(RequestOptions.__annotations__))
    text, images = value_of("prompt", prompt), value_of("input_images", input_images) or 0
    asked = request_of(text or _ANY_PROMPT, {**options, "stream": "partial_images" in options})
    with in_our_words():
        request, _ = checked(client.with_model(asked))
    return replace(request, prompt=text).estimate(client.settings.prices, images)


class ReadyCall(Record):
    """A call with its inputs, checked as far as that can be done before it is sent, and its `finishing`."""

    prepared: PreparedCall
    finishing: Optional[Finishing]

    def run(self, client: CoreClient, call: ImageCall, observer: Observer) -> core.Result:
        """Sends it."""
        if self.finishing is not None:
            return self.finishing.run(client, self.prepared, call.save_partials, observer)
        return client.run(
            self.prepared, save_partials=call.save_partials, observer=observer, no_wait=call.no_wait
        )


@contextmanager
def prepared(client: CoreClient, call: ImageCall) -> Generator[ReadyCall, None, None]:
    """The call, ready to be sent; what is made for it lasts as long as the context."""
    with ExitStack() as stack:
        finishing = Finishing(call.wishes, stack) if call.wishes is not None else None
        request = client.with_model(call.request)
        if call.inputs is not None:
            request = stack.enter_context(loaded(client, request, call.inputs))
        if finishing is not None:
            request = finishing.before(request)
        output = call.path
        if output is None:
            with suppress(OSError):  # where it cannot be made, the call itself says so
                private_folder(client.rescue_folder)
            output = str(client.rescue_folder) + os.sep
        ready = client.prepare(request, output, no_clobber=call.no_clobber, max_cost_usd=call.max_cost_usd)
        ready = replace(ready, output=STDOUT) if call.stays_in_memory else ready
        if finishing is not None:
            ready = finishing.set_aside(ready)
            finishing.price(client, ready, call.max_cost_usd)
        yield ReadyCall(ready, finishing)


def handed_over(call: ImageCall, result: core.Result) -> Result:
    """The result with its images where they were asked for; from now on the program has them.

    Raises:
        OutputError: the open file did not take the image; `result` says where it is.
    """
    if call.path is not None:
        return told(result)
    images: List[SavedImage] = []
    for image in result.images:
        kept = image_of(image)
        data = _bytes_of(kept)
        if call.file is not None and not images and data is not None:
            _pour(call.file, data, result, kept)
        if data is None or (call.file is not None and images):
            images.append(kept)  # it stays in its file
            continue
        images.append(replace(kept, path=None, data=data))
        made_from = image.derivation.sources if image.derivation is not None else ()
        beside = [source.path for source in made_from if _is_beside(source.path, image.path)]
        for path in (image.path, *beside):
            with suppress(OSError):
                os.unlink(path)
    return told(result, tuple(images))


def told(result: core.Result, images: Any = None) -> Result:
    """A result of core as the library tells it."""
    warnings = tuple(map(as_arguments, result.warnings))
    return result_of(replace(result, warnings=warnings), images)


@contextmanager
def in_our_words() -> Generator[None, None, None]:
    """Errors of core leave this context as errors of the library."""
    try:
        yield
    except GptImage2Error as error:
        retell(error)
        raise


def retell(error: GptImage2Error) -> None:
    """Makes an error of core one of the library: its words, and its result."""
    error.message, error.hint = as_arguments(error.message), as_arguments(error.hint)
    error.args = (error.message,)
    if isinstance(error.result, core.Result):
        with_result: Any = error
        with_result.result = told(error.result)


def _read_output(output: Any) -> Tuple[Optional[str], Any]:
    if output is None:
        return None, None
    if callable(getattr(output, "write", None)):
        if isinstance(output, io.TextIOBase):
            raise UsageError("`output` is a file that was opened as text", hint='open it with "wb"')
        return None, output
    try:
        path: object = os.fspath(cast("os.PathLike[str]", output))
    except TypeError:
        path = None
    if not isinstance(path, str):
        raise wrong_type("output", output, "a path, a binary file or None", "None is memory")
    return path, None


def _is_beside(path: str, other: str) -> bool:
    """Whether a file is one of ours that lies beside another, in the rescue folder: what the model sent."""
    return os.path.dirname(path) == os.path.dirname(other)


def _bytes_of(image: SavedImage) -> Optional[bytes]:
    try:
        return image.bytes()
    except OSError:
        return None


def _pour(file: Any, data: bytes, result: core.Result, image: SavedImage) -> None:
    write: Callable[[bytes], object] = file.write
    try:
        written = write(data)
        while isinstance(written, int) and 0 < written < len(data):  # a raw file may take a part
            data = data[written:]
            written = write(data)
    except Exception as error:  # the file is the program's own, and so is what it raises
        failure = OutputError(
            f"`output` did not take the image ({type(error).__name__}: {error}); it is {image.path}",
            hint="take it from there; do not send the request again",
            billed=result.billed,
            http_status=result.http_status,
            request_id=result.request_id,
        )
        failure.result = result
        raise failure from error
