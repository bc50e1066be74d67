"""The keyword arguments of calls and of clients: one signature for all that take them.

A name is the API's own. None, or leaving it out, leaves a field to the server, the model to the settings.
The text below a name is its line in the reference.
"""

from __future__ import annotations

import os
from typing import (
    TYPE_CHECKING,
    Any,
    BinaryIO,
    Callable,
    Iterable,
    Literal,
    Mapping,
    Optional,
    Protocol,
    Sequence,
    Tuple,
    TypedDict,
    Union,
)

if TYPE_CHECKING:
    from .events import Event


class PillowImage(Protocol):
    """What is used of a `PIL.Image.Image`: Pillow need not be there."""

    @property
    def mode(self) -> str:
        """How it keeps its pixels."""
        ...

    @property
    def size(self) -> Tuple[int, int]:
        """Width and height in pixels."""
        ...

    def save(self, fp: Any, format: Optional[str] = None, **params: Any) -> None:  # noqa: A002
        """Writes it as a file."""
        ...


Model = Union[
    Literal[
        "gpt-image-2",
        "gpt-image-2-2026-04-21",
        "gpt-image-2.5-flare",
        "gpt-image-2.5-flare-2026-09-08",
        "gpt-image-2.5-sunburst",
        "gpt-image-2.5-sunburst-2026-09-08",
        "gpt-image-2.6-flare",
        "gpt-image-2.6-sunburst",
    ],
    str,
]
Quality = Union[Literal["auto", "low", "medium", "high", "xhigh", "max"], str]
Size = Union[
    Literal["auto", "square", "landscape", "portrait", "2k", "2k-portrait", "4k", "4k-portrait"],
    str,
]
OutputFormat = Union[Literal["png", "jpeg", "webp", "gif", "svg"], str]
Complexity = Union[Literal["low", "medium", "high"], str]
SvgEffort = Union[Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"], str]
Background = Union[Literal["auto", "opaque", "transparent"], str]
Moderation = Union[Literal["auto", "low"], str]

PathLike = Union[str, "os.PathLike[str]"]
ImageInput = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryIO, PillowImage]
ImageInputs = Union[ImageInput, Iterable[ImageInput]]
Output = Union[str, "os.PathLike[str]", BinaryIO, None]
Areas = Union[
    Mapping[str, Sequence[Union[int, float, str]]], Sequence[Mapping[str, Sequence[Union[int, float, str]]]]
]


class RequestOptions(TypedDict, total=False):
    """What is asked for: the fields of the API."""

    model: Optional[Model]
    """the model; by default that of the settings, else `gpt-image-2`"""
    n: Optional[int]
    """how many images, 1 to 10"""
    size: Optional[Size]
    """`1024x1024`, `auto`, a ratio such as `16:9@2k`, or a name such as `landscape`, in pixels"""
    quality: Optional[Quality]
    """`auto`, `low`, `medium`, `high`; from 2.5 on `xhigh` and `max`"""
    complexity: Optional[Complexity]
    """`low`, `medium`, `high`; from 2.6 on"""
    output_format: Optional[OutputFormat]
    """`png`, `jpeg` or `webp`; from 2.6 on `gif` and `svg`"""
    output_compression: Optional[int]
    """0 to 100 (%), for jpeg and webp"""
    frame_count: Optional[int]
    """frames of a gif"""
    frame_duration_ms: Optional[int]
    """milliseconds that each frame of a gif stands"""
    svg_model: Optional[str]
    """the language model that writes an svg"""
    svg_effort: Optional[SvgEffort]
    """how hard that model thinks"""
    background: Optional[Background]
    """`auto`, `opaque` or `transparent`"""
    moderation: Optional[Moderation]
    """`auto` or `low`"""
    user: Optional[str]
    """an id of your end user"""
    safety_identifier: Optional[str]
    """an id of your end user, which takes the place of `user`"""
    partial_images: Optional[int]
    """previews of each image, 0 to 3; they come with a stream"""
    extra: Optional[Mapping[str, object]]
    """further fields, sent as they are"""


class CallOptions(RequestOptions, total=False):
    """How a call is made, and where its images go."""

    output: Output
    """where images go: a file's path, a folder, a binary file, or None: memory"""
    no_clobber: bool
    """take the next free name instead of replacing a file"""
    save_partials: bool
    """save previews beside the output"""
    max_cost_usd: Optional[float]
    """refuse, before anything is sent, what may cost more (USD)"""
    no_wait: bool
    """do not wait for a task that the host makes of the call: `Result.tasks` has its id"""


class PictureOptions(TypedDict, total=False):
    """What is done with the picture of a call, before and after it; needs `[pictures]`. What the model sent
    is kept beside a file, as `NAME.model.png`."""

    exact: Optional[str]
    """save exactly this size, as `1200x630`, made from the legal one that covers it"""
    fit: Optional[str]
    """how `exact` gets there: `crop` (the default), `pad` or `stretch`"""
    under: Optional[str]
    """save it lighter than this, as `300KB`; quality is chosen for it"""
    cutout: bool
    """a clear background, by a second call where it does not come, if `max_cost_usd` covers both"""
    glass: bool
    """a clear background that is exact for glass and hair, by two calls"""


class SourceOptions(TypedDict, total=False):
    """What is done with the source of an edit."""

    areas: Optional[Areas]
    """edit only here, in place of a mask: `{"rect": [x, y, width, height]}` or `{"ellipse": [...]}`, in
    pixels (120), percent ("25%") or fractions (0.25)"""
    keep_outside: bool
    """put the first image back outside the mask: there not one pixel changes"""
    extend: Optional[str]
    """paint further beyond these sides, as `left=25%,right=200`"""
    to: Optional[str]
    """as `extend`, to a ratio or to a larger size"""


class GenerateOptions(CallOptions, PictureOptions, total=False):
    """What `generate` takes besides the prompt."""

    stream: bool
    """let the answer stream: the connection of a long call stays alive, and previews come"""


class EditOptions(GenerateOptions, SourceOptions, total=False):
    """What `edit` takes besides images and prompt."""

    mask: Optional[ImageInput]
    """a PNG whose transparent pixels are to be edited, as large as the first image"""
    markup: Optional[ImageInput]
    """what is drawn upon the first image, to say what is to be done; from 2.5 on"""


class StreamOptions(CallOptions, PictureOptions, SourceOptions, total=False):
    """What `stream` takes besides the prompt: with `image` it is an edit."""

    image: Optional[ImageInputs]
    """the input images of an edit"""
    mask: Optional[ImageInput]
    """as for `edit`"""
    markup: Optional[ImageInput]
    """as for `edit`"""


class ClientOptions(TypedDict, total=False):
    """What a client is made with; all of it may be left out."""

    config: Union[str, os.PathLike[str], None]
    """a config file, which then goes before all else"""
    profile: Optional[str]
    """a profile of the config file"""
    base_url: Optional[str]
    """the API's base URL"""
    api_key: Optional[str]
    """the key for that base URL"""
    timeout_s: float
    """seconds for a call with its retries and downloads (default 600)"""
    retries: int
    """how often a call may be sent again where that cannot cost twice (default 3)"""
    retry_ambiguous: bool
    """send again too what may have been billed"""
    max_download_bytes: int
    """the largest image that is fetched by an address"""
    waits_for_server: bool
    """wait where the server asks for it (default true); else that raises, with `retry_after_s`"""
    env: Optional[Mapping[str, str]]
    """what stands for the environment (default `os.environ`)"""
    observer: Optional[Callable[[Event], object]]
    """is called with every event of a call, in the thread that makes it"""
    history: Optional[bool]
    """whether calls are recorded (default: what the config says, else true)"""


class PaceOptions(ClientOptions, total=False):
    """What an `AsyncClient` is made with."""

    concurrency: int
    """calls at once, from 1 to 256 (default 16); further ones wait for their turn"""
    images_per_minute: Optional[float]
    """the pace of all calls together (default: learnt from the server)"""


class Job(PictureOptions, SourceOptions, total=False):
    """A job of a `batch`: a prompt with the fields of the API, its inputs, and the name of its output."""

    prompt: str
    """the prompt"""
    image: ImageInputs
    """the input images of an edit"""
    mask: ImageInput
    """as for `edit`"""
    markup: ImageInput
    """as for `edit`"""
    output: str
    """a file name below the output folder; without it one is made of number and prompt"""
    id: Union[str, int]
    """a name of your own, which comes back with the outcome"""
    model: Optional[Model]
    n: Optional[int]
    size: Optional[Size]
    quality: Optional[Quality]
    complexity: Optional[Complexity]
    output_format: Optional[OutputFormat]
    output_compression: Optional[int]
    frame_count: Optional[int]
    frame_duration_ms: Optional[int]
    svg_model: Optional[str]
    svg_effort: Optional[SvgEffort]
    background: Optional[Background]
    moderation: Optional[Moderation]
    user: Optional[str]
    safety_identifier: Optional[str]
    extra: Optional[Mapping[str, object]]
    """further fields, sent as they are"""


class BatchOptions(RequestOptions, total=False):
    """What `batch` takes besides jobs and folder; the fields of the API are defaults for all jobs."""

    concurrency: int
    """calls at once, from 1 to 256 (default 4)"""
    images_per_minute: Optional[float]
    """the pace of all calls together (default: learnt from the server)"""
    max_cost_usd: Optional[float]
    """start nothing that might pass this sum (USD), earlier runs in the folder included"""
    skip_invalid: bool
    """go on without the jobs that are none, instead of raising"""
    retry_ambiguous: bool
    """run again what may have been billed"""
    fail_fast: bool
    """start nothing more after the first failure"""
    max_failures: Optional[int]
    """start nothing more after so many failures"""
