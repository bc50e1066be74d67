"""The calls of the tools, which block: one method a tool, from its arguments to its answer. Never raises.

Everything that can be refused is refused before the request is sent; money is held before anything else.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mcp import types

from gpt_image2.core.api import cost, models
from gpt_image2.core.api.checks import checked
from gpt_image2.core.api.cost import CostEstimate
from gpt_image2.core.api.request import ImageRequest, is_address
from gpt_image2.core.base.errors import GptImage2Error, InterruptedCall, UsageError
from gpt_image2.core.base.events import Event, Observer, RequestStarted
from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.base.outcome import Result
from gpt_image2.core.base.redact import mask_secrets, show
from gpt_image2.core.calls.client import Client
from gpt_image2.core.calls.under_way import PreparedCall
from gpt_image2.core.commands.finishing import Finishing
from gpt_image2.core.ledger.budget import Budget, Hold
from gpt_image2.core.settings.config import Settings, load_settings

from .answers import estimate_shown, failure, image_shown, success
from .approving import approve
from .arguments import ImageArguments, checked_arguments, image_arguments, request_of
from .folders import Folders
from .picture_calls import PictureCalls
from .picture_tools import PICTURE_COMMANDS
from .resources import image_at
from .settings import ServerSettings
from .tools import COMMANDS, ESTIMATE, GET

Arguments = Mapping[str, Any] | None

_SIGTERM = 15
_WAY_OUT = "ask the user"

_log = logging.getLogger(__name__)


class ToolCalls:
    """Does what the tools of one server are called for.

    Raises:
        UsageError: the output folder or an allowed folder cannot be used.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self.folders = Folders(settings.output_dir, settings.allow_dirs)
        self._pictures = PictureCalls(self.folders)
        self._budget = Budget(settings.max_cost_usd)

    def make(
        self, tool: str, arguments: Arguments, stop: StopSwitch, observer: Observer
    ) -> types.CallToolResult:
        """`generate_image` and `edit_image`."""
        command = COMMANDS[tool]

        def make() -> types.CallToolResult:
            asked = image_arguments(tool, arguments)
            try:
                result = self._make(asked, stop, observer)
            except GptImage2Error as error:
                return failure(error, command, asked.preview)
            looks = asked.request.background == "transparent"
            return success(result, self._budget.json(), asked.preview, looks)

        return _answered(make, command)

    def estimate(self, arguments: Arguments) -> types.CallToolResult:
        """`estimate_cost`."""

        def estimate() -> types.CallToolResult:
            given = checked_arguments(ESTIMATE, arguments)
            request, warnings = checked(self._named(request_of({"prompt": "-", **given})))
            estimate = cost.estimate_cost(
                request.model,
                given.get("prompt", ""),
                request.effective_size,
                request.effective_quality,
                request.count,
                request.partial_images or 0,
                given.get("input_images", 0) * cost.MAX_INPUT_IMAGE_TOKENS,
                self._prices(),
            )
            typical_s = models.typical_seconds(request.model, request.effective_quality)
            return estimate_shown(request, estimate, typical_s, warnings, self._budget.json())

        return _answered(estimate, ESTIMATE)

    def get(self, arguments: Arguments) -> types.CallToolResult:
        """`get_image`."""

        def get() -> types.CallToolResult:
            given = checked_arguments(GET, arguments)
            return image_shown(image_at(self.folders, given["path"]), given.get("preview", True))

        return _answered(get, GET)

    def work_on_picture(self, tool: str, arguments: Arguments) -> types.CallToolResult:
        """`make_mask`, `check_image` and `cut_out`."""
        return _answered(partial(self._pictures.run, tool, arguments), PICTURE_COMMANDS[tool])

    def _make(self, asked: ImageArguments, stop: StopSwitch, observer: Observer) -> Result:
        asked = replace(asked, request=self._named(asked.request))
        request, _ = checked(asked.request)
        output = self.folders.output(asked.output, request.effective_format)
        estimate = request.estimate(self._prices(), len(asked.images))
        what = f"this call of {request.model}"
        with self._budget.hold(estimate, what, _WAY_OUT):
            pass  # it is refused before an input is fetched
        with ExitStack() as stack:
            client = self._settings.client(stop, observer)
            finishing = Finishing(asked.wishes, stack) if asked.wishes else None
            prepared = self._prepared(client, asked, output, stack, finishing)
            if finishing is not None:  # the size may be another now, and a second call may follow
                finishing.price(client, prepared, asked.max_cost_usd)
                estimate = _higher(estimate, finishing.estimate(client, prepared))
            hold = stack.enter_context(self._budget.hold(estimate, what, _WAY_OUT))
            approve(prepared.request, estimate, self._settings.approve_over_usd, stop)
            if stop.is_set:
                raise InterruptedCall("stopped; nothing was sent", signum=stop.signum or _SIGTERM)
            run = client.run if finishing is None else partial(finishing.run, client)
            try:
                result = run(prepared, observer=_with_hold(observer, hold))
            except GptImage2Error as error:
                if error.result:
                    hold.settle(error.billed, error.result.cost_usd)
                _log.warning("%s: %s; billed: %s", error.code, show(error.message), error.billed.value)
                raise
            hold.settle(result.billed, result.cost_usd)
            return result

    def _prepared(
        self,
        client: Client,
        asked: ImageArguments,
        output: str,
        stack: ExitStack,
        finishing: Finishing | None,
    ) -> PreparedCall:
        """The call as it is to be sent; its files last until the stack is closed."""
        local = self._local_inputs(asked)
        request = stack.enter_context(self._with_inputs(client, asked, local))
        if finishing is not None:
            request = finishing.before(request)
        prepared = client.prepare(request, output, no_clobber=True, max_cost_usd=asked.max_cost_usd)
        prepared = replace(prepared, plan=self.folders.ready(prepared.plan, request.count))
        if finishing is not None:
            prepared = finishing.set_aside(prepared)
            prepared = replace(prepared, plan=self.folders.ready(prepared.plan, request.count))
        if self._local_inputs(asked) != local:
            raise UsageError("an input was replaced while it was read", hint="send the call again")
        return prepared

    def _local_inputs(self, asked: ImageArguments) -> dict[str, Path]:
        """The resolved path of each input that is a file here."""
        beside = [source for source in (asked.mask, asked.markup) if source is not None]
        sources = [*asked.images, *beside]
        return {source: self.folders.input(source) for source in sources if not is_address(source)}

    @contextmanager
    def _with_inputs(
        self, client: Client, asked: ImageArguments, local: Mapping[str, Path]
    ) -> Generator[ImageRequest]:
        """The request with its input images; an address is fetched here, and never from a private network."""
        if not asked.images:
            yield asked.request
            return
        images = [local.get(source, source) for source in asked.images]
        mask, markup = (each and local.get(each, each) for each in (asked.mask, asked.markup))
        with client.with_inputs(asked.request, images, mask, markup, allow_private=False) as request:
            yield request

    def _named(self, request: ImageRequest) -> ImageRequest:
        """The request with what the configuration says where it says nothing."""
        found = self._configured()
        if found:
            return found.applied_to(request)
        return request if request.model else replace(request, model=models.DEFAULT_MODEL)

    def _prices(self) -> Mapping[str, models.Prices]:
        found = self._configured()
        return found.prices if found else cost.PRICES

    def _configured(self) -> Settings | None:
        """The settings in force. A configuration that cannot be read is left to the call, which says more."""
        try:
            return load_settings(os.environ, config=self._settings.config, profile=self._settings.profile)
        except GptImage2Error:
            return None


def _answered(work: Callable[[], types.CallToolResult], command: str) -> types.CallToolResult:
    """What a tool answers; an error of any kind is an answer too, without a stack trace."""
    try:
        return work()
    except GptImage2Error as error:
        return failure(error, command)
    except Exception as error:
        text = f"internal error: {type(error).__name__}: {mask_secrets(str(error))}"
        _log.error("%s", text)
        return failure(GptImage2Error(text, hint="report it, with the log of this server"), command)


def _higher(one: CostEstimate | None, other: CostEstimate | None) -> CostEstimate | None:
    """The higher of two estimates; unknown where one of them is."""
    return None if one is None or other is None else max(one, other, key=lambda each: each.high_usd)


def _with_hold(observer: Observer, hold: Hold) -> Observer:
    """An observer that also tells the budget when money may be gone."""

    def observe(event: Event) -> None:
        if isinstance(event, RequestStarted):
            hold.sent()
        observer(event)

    return observe
