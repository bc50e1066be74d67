"""The way in for programs and for the command: settings, validation and one call, under one set of rules."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generator, List, Mapping, Optional, Sequence, Set, Tuple, Union

from ..api.checks import checked
from ..api.request import ImageRequest
from ..base.errors import UsageError
from ..base.events import Event, Observer
from ..base.interrupt import StopSwitch
from ..base.outcome import Result
from ..base.record import replace
from ..ledger.entries import opening_of
from ..ledger.recording import Ledger, recorded
from ..outputs.files import Room, prepare_folder, sweep, temporary_folder
from ..outputs.inflight import is_anything_left
from ..outputs.naming import OutputPlan, looked_at, plan_output
from ..settings.base_url import OWN_SANDBOXES
from ..settings.config import Settings, load_settings
from ..settings.places import state_folder
from ..wire.curl import find_curl
from .call import Call
from .download import DEFAULT_MAX_DOWNLOAD_BYTES, Downloader
from .exchange import Host, host_of
from .inputs import load_inputs
from .retry import DEFAULT_RETRIES
from .under_way import CallPolicy, PreparedCall, default_output, folders_to_write

DEFAULT_TIMEOUT_S = 600.0
MIN_TIMEOUT_S = 0.001  # to curl, 0 is no limit at all
MAX_TIMEOUT_S = 1_000_000.0

PathLike = Union[str, "os.PathLike[str]"]


class Client:
    """Makes calls under one configuration.

    `config` names a config file, `profile` one of its profiles; `base_url` and `api_key` are like the flags;
    all of them may be left out.
    `timeout_s` bounds a call with its retries. `observer` is called with every `Event` of a call. Without
    `waits_for_server` a call that the server asks to wait raises instead; the error says for how long. Calls
    are recorded in the ledger unless `history` or the config says otherwise.

    Raises:
        ConfigError: the configuration is unusable (a missing key shows only when something is sent).
    """

    def __init__(
        self,
        *,
        config: Optional[PathLike] = None,
        profile: Optional[str] = None,
        base_url: Optional[str] = None,
        api_key: Optional[str] = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: int = DEFAULT_RETRIES,
        retry_ambiguous: bool = False,
        max_download_bytes: int = DEFAULT_MAX_DOWNLOAD_BYTES,
        waits_for_server: bool = True,
        env: Optional[Mapping[str, str]] = None,
        observer: Optional[Observer] = None,
        stop: Optional[StopSwitch] = None,
        history: Optional[bool] = None,
    ) -> None:
        if not MIN_TIMEOUT_S <= timeout_s <= MAX_TIMEOUT_S:
            raise UsageError(
                f"the timeout is {timeout_s} s; it must be more than 0 and at most {MAX_TIMEOUT_S:.0f}",
                hint=f"the default is {DEFAULT_TIMEOUT_S:.0f}",
            )
        if retries < 0:
            raise UsageError(
                f"retries is {retries}; it must be 0 or more", hint=f"the default is {DEFAULT_RETRIES}"
            )
        self.env: Mapping[str, str] = os.environ if env is None else env
        self.settings: Settings = load_settings(
            self.env,
            config=None if config is None else os.fspath(config),
            profile=profile,
            base_url=base_url,
            api_key=api_key,
        )
        self._policy = CallPolicy(
            timeout_s=timeout_s,
            retries=retries,
            retry_ambiguous=retry_ambiguous,
            max_download_bytes=max_download_bytes,
            save_partials=False,
            waits_for_server=waits_for_server,
        )
        self._swept: Set[Path] = set()
        self._has_resumed = threading.Event()
        self._room = Room()
        self.observer: Observer = observer or _ignore
        self._stop = stop or StopSwitch()
        self.ledger: Optional[Ledger] = None
        if self.settings.history if history is None else history:
            self.ledger = Ledger(state_folder(self.env), self.settings.secrets)

    def under(self, stop: StopSwitch, waits_for_server: bool = True) -> Client:
        """This client with another switch that ends its calls: all else is shared between the two."""
        twin = object.__new__(type(self))
        policy = replace(self._policy, waits_for_server=waits_for_server and self._policy.waits_for_server)
        vars(twin).update(vars(self), _stop=stop, _policy=policy)
        return twin

    @property
    def that_waits(self) -> Client:
        """This client, but that it waits where the server asks for it: for a call on which one that is paid
        for depends."""
        twin = self.under(self._stop)
        twin._policy = replace(self._policy, waits_for_server=True)
        return twin

    @property
    def timeout_s(self) -> float:
        """How long a call may take with its retries."""
        return self._policy.timeout_s

    @property
    def host(self) -> Host:
        """The server of the settings, to which calls go that this client's switch ends."""
        return host_of(self.settings, self.env, self._stop)

    @property
    def rescue_folder(self) -> Path:
        """Where images go that their output does not take, and answers that hold none."""
        return state_folder(self.env) / "rescued"

    def with_model(self, request: ImageRequest) -> ImageRequest:
        """The request with the model of the settings where it names none, and streamed where they say so."""
        return self.settings.applied_to(request)

    @contextmanager
    def with_inputs(
        self,
        request: ImageRequest,
        sources: Sequence[PathLike],
        mask: Optional[PathLike] = None,
        markup: Optional[PathLike] = None,
        *,
        allow_private: bool = True,
    ) -> Generator[ImageRequest, None, None]:
        """The request with its input images, mask and markup, loaded and checked; what was fetched goes at
        the end.

        `allow_private` admits addresses in private networks: right for what a user typed.

        Raises:
            UsageError: an input cannot be used.
            NetworkError: an address could not be fetched.
        """
        checked(request)  # the cheap checks first: nothing is fetched for a request that cannot go out
        if not sources:
            raise UsageError("an edit needs an input image", hint="name a png, jpeg or webp file")
        until = time.monotonic() + self._policy.timeout_s
        downloader = Downloader(
            self.host.curl, allow_private=allow_private, remaining_s=lambda: until - time.monotonic()
        )
        with temporary_folder() as folder:
            yield load_inputs(
                request,
                [os.fspath(source) for source in sources],
                None if mask is None else os.fspath(mask),
                None if markup is None else os.fspath(markup),
                folder,
                downloader,
            )

    def prepare(
        self,
        request: ImageRequest,
        output: Optional[PathLike] = None,
        *,
        no_clobber: bool = False,
        max_cost_usd: Optional[float] = None,
    ) -> PreparedCall:
        """Everything that can be checked before paying, but for the output folder and the key.

        Raises:
            UsageError: bad arguments, or the estimate is above `max_cost_usd`.
        """
        request, warnings = checked(request)
        name = os.fspath(output) if output is not None else default_output(self.env, request.effective_format)
        plan = plan_output(
            name, request.effective_format, request.count, request.prompt, self.rescue_folder, no_clobber
        )
        if output is None:
            plan = replace(plan, moves_aside=not no_clobber)
        plan = looked_at(plan, request.count, request.partial_images or 0)
        if max_cost_usd is not None:
            from ..ledger.budget import Budget

            estimate = request.estimate(self.settings.prices)
            Budget(max_cost_usd).check(estimate, f"this call of {request.model}")
        sent = (*request.images, *(image for _, image in request.beside))
        notes = tuple(image.note for image in sent if image.note)
        return PreparedCall(request, plan, self.settings.warnings + warnings + notes)

    def run(
        self,
        prepared: PreparedCall,
        save_partials: bool = False,
        observer: Optional[Observer] = None,
        no_wait: bool = False,
    ) -> Result:
        """Sends a prepared call and saves its images; `observer` hears of this call instead of the client's.
        With `no_wait` it does not wait for a task that the host makes of it: `Result.tasks` has its id.

        Raises:
            GptImage2Error: not all images could be saved as asked; `result` holds those that were.
        """
        self.check_way()
        folders = folders_to_write(prepared)
        for folder in folders:
            prepare_folder(folder)
        give_back = self._room.take(prepared.request.most_bytes, (*folders, state_folder(self.env)))
        try:
            return self._run(prepared, save_partials, observer or self.observer, not no_wait)
        finally:
            with suppress(Exception):  # the call has ended as it ended
                give_back()

    def _run(
        self, prepared: PreparedCall, save_partials: bool, observer: Observer, waits_for_tasks: bool
    ) -> Result:
        policy = replace(self._policy, save_partials=save_partials, waits_for_tasks=waits_for_tasks)
        call = Call(
            self.host, prepared.request, prepared.plan, policy, observer, prepared.numbers, prepared.then
        )
        known = prepared.warnings + self._strays(prepared.plan) + self.finish_leftovers()
        try:
            if self.ledger is None:
                return call.run(known)
            estimate = prepared.request.estimate(self.settings.prices)
            base_url = self.settings.base_url
            opening = opening_of(base_url, self.settings.profile, prepared.request, prepared.plan, estimate)
            opening = replace(opening, sandbox=base_url in OWN_SANDBOXES, wishes=prepared.wishes)
            if prepared.output is not None:
                opening = replace(opening, output=prepared.output)
            ledger = self.ledger

            def run(warnings: Tuple[str, ...], row: int) -> Result:
                call.on_accepted = lambda task_id: ledger.accepted(row, task_id, call.warn)
                return call.run(known + warnings, row)

            return recorded(ledger, opening, run, observer)
        finally:
            call.gate.close()

    def check_way(self) -> None:
        """Nothing, where all is there that a request needs on its way.

        Raises:
            ConfigError: the key is missing, or curl.
            NetworkError: the proxy is of an unknown kind.
        """
        self.settings.require_key()
        find_curl()
        self.host.curl.proxy_for(self.settings.base_url)

    def _strays(self, plan: OutputPlan) -> Tuple[str, ...]:
        """Sweeps an output folder before its first call; what was found there, in words."""
        if plan.folder in self._swept:
            return ()
        self._swept.add(plan.folder)
        return tuple(
            f"an image of an earlier, killed run was found and moved to {path}"
            for path in sweep(plan.folder, plan.rescue_folder)
        )

    def finish_leftovers(self, waits: bool = False) -> Tuple[str, ...]:
        """Finishes what killed processes left, once a client and before its first call; what came of it, in
        words. With `waits` tasks that the host works on are waited for."""
        if self._has_resumed.is_set():
            return ()
        self._has_resumed.set()
        host = self.host
        if not is_anything_left(host.state_folder, and_tried=waits):
            return ()
        said: List[str] = []
        with suppress(Exception):  # none of it is this call's
            from .leftovers import Resumer, resumed_in_words

            resumer = Resumer(host, self.ledger, said.append, self._policy.timeout_s, waits)
            for resumed in resumer.run(in_passing=True):
                said += resumed_in_words(resumed)
        return tuple(said)


def _ignore(event: Event) -> None:
    del event
