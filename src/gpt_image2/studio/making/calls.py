"""The calls of one studio: each click once, run side by side in threads, told as they go, cancelled.

A call belongs to the studio and not to a page: it goes on when the page is closed, and is there when the page
comes back. Its id was made in the page, so that a click which arrives twice is one call. What the end of the
studio keeps from being sent is there at the next start, and waits for another click.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from threading import Lock

from gpt_image2.core.base.errors import GptImage2Error, InterruptedCall, UsageError
from gpt_image2.core.base.events import Event, ImageSaved, PartialImage, RequestStarted, Warned
from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.base.redact import mask_secrets
from gpt_image2.core.calls.client import Client
from gpt_image2.core.calls.under_way import PreparedCall
from gpt_image2.core.commands.finishing import Finishing
from gpt_image2.core.ledger.budget import Budget

from ..settings import StudioSettings
from .asking import Asked, asked_of, with_names
from .call_state import CallState, State
from .inputs import Inputs
from .unsent import Unsent

#: Further calls wait for their turn.
MAX_AT_ONCE = 4
_MAX_KEPT = 200


class Calls:
    """The calls of one studio. `tell` is called with the state of a call whenever it has changed."""

    def __init__(
        self, settings: StudioSettings, inputs: Inputs, tell: Callable[[Mapping[str, object]], None]
    ) -> None:
        self._settings = settings
        self._inputs = inputs
        self._tell = tell
        self._lock = Lock()
        self._calls: dict[str, CallState] = {}
        self._switches: dict[str, StopSwitch] = {}
        self._futures: dict[str, Future[None]] = {}
        self._is_closing = False
        self._unsent = Unsent(settings.own_dir / "unsent")
        for call_id, document in self._unsent.left():
            with suppress(UsageError):  # of another version; it is left as it is
                self._calls[call_id] = CallState(call_id, asked_of(document), State.UNSENT)
        self._threads = ThreadPoolExecutor(MAX_AT_ONCE, "studio-call")
        self.output_dir = settings.output_dir
        self.budget = Budget(settings.max_cost_usd)

    def begin(self, call_id: str, asked: Asked) -> Mapping[str, object]:
        """Lines a call up and returns its state; that of the call with this id where it was begun before.

        Raises:
            UsageError: the id belongs to another call.
        """
        with self._lock:
            known = self._calls.get(call_id)
            if known is not None:
                if known.asked != asked:
                    raise UsageError("this id belongs to another call", hint="reload the page")
                return known.as_json()
            call = self._calls[call_id] = CallState(call_id, asked)
            self._unsent.keep(call_id, asked.as_json())
            self._forget_old()
            self._switches[call_id] = StopSwitch()
        return self._lined_up(call)

    def send(self, call_id: str) -> Mapping[str, object] | None:
        """Lines up a call that an earlier studio has not sent, once; its state, None where there is none."""
        with self._lock:
            call = self._calls.get(call_id)
            if call is None or call.state is not State.UNSENT:
                return call and call.as_json()
            call.state = State.QUEUED
            self._switches[call_id] = StopSwitch()
        return self._lined_up(call)

    def all(self) -> list[Mapping[str, object]]:
        """The states of all calls, oldest first."""
        with self._lock:
            return [call.as_json() for call in self._calls.values()]

    def find(self, call_id: str) -> CallState | None:
        """The call with an id."""
        with self._lock:
            return self._calls.get(call_id)

    def cancel(self, call_id: str) -> None:
        """Ends a call. One that waits is not sent; what has arrived of one under way is kept."""
        with self._lock:
            switch, future = self._switches.get(call_id), self._futures.get(call_id)
            call = self._calls.get(call_id)
        if call is None or switch is None:
            return
        switch.stop(signal.SIGTERM)
        if future is not None and future.cancel():
            self._put_away(call_id)
            call.fail(InterruptedCall("cancelled before it was sent", signum=signal.SIGTERM))
            self._changed(call)

    def dismiss(self, call_id: str) -> None:
        """Forgets a call that has ended, or was never sent."""
        with self._lock:
            call = self._calls.get(call_id)
            if call is None or not (call.has_ended or call.state is State.UNSENT):
                return
            del self._calls[call_id]
        self._put_away(call_id)

    def close(self) -> int:
        """Ends every call, and returns when all have ended: how many wait for the next studio."""
        with self._lock:
            self._is_closing = True
            switches = list(self._switches.values())
        for switch in switches:
            switch.stop(signal.SIGTERM)
        self._threads.shutdown(wait=True, cancel_futures=True)
        return self._unsent.close()

    def client(self) -> Client:
        """A client with the settings of this studio; the configuration is read anew."""
        return self._settings.client()

    def prepared(
        self, client: Client, asked: Asked, stack: ExitStack, say: Callable[[str], None] = lambda _: None
    ) -> tuple[PreparedCall, Finishing | None]:
        """A call with all checked that can be checked before paying, and the steps around it where there are
        any; its inputs are there while the stack is open, and `say` is told what the steps have done.

        Raises:
            GptImage2Error: it cannot be sent as it is.
        """
        request = client.with_model(asked.request)
        finishing = Finishing(asked.wishes, stack, say) if asked.wishes else None
        if asked.inputs:
            paths = [self._inputs.path(each) for each in asked.inputs]
            beside = [each and self._inputs.path(each) for each in (asked.mask, asked.markup)]
            request = stack.enter_context(client.with_inputs(request, paths, *beside))
            request = with_names(request, asked.names)
        if finishing is not None:
            request = finishing.before(request)
        prepared = client.prepare(request, f"{self.output_dir}/", no_clobber=True)
        return (prepared if finishing is None else finishing.set_aside(prepared)), finishing

    def _lined_up(self, call: CallState) -> Mapping[str, object]:
        """Has its turn come as soon as may be; the state."""
        self._changed(call)
        future = self._threads.submit(self._run, call, self._switches[call.id])
        with self._lock:
            if call.id in self._switches:  # else it has ended already
                self._futures[call.id] = future
        return call.as_json()

    def _put_away(self, call_id: str) -> None:
        """Nothing of a call is left to be sent."""
        with suppress(GptImage2Error):
            self._unsent.take(call_id)

    def _run(self, call: CallState, switch: StopSwitch) -> None:
        """One call in its thread, whose every ending is its state."""
        secrets: tuple[str, ...] = ()
        try:
            with ExitStack() as stack:
                client = self._settings.client(switch, lambda event: self._heard(call, event))
                secrets = client.settings.secrets
                prepared, finishing = self.prepared(client, call.asked, stack, call.notes.append)
                estimate = prepared.request.estimate(client.settings.prices)
                call.model = prepared.request.model
                hold = stack.enter_context(
                    self.budget.hold(estimate, "this call", way_out="raise the ceiling")
                )
                if switch.is_set:
                    raise InterruptedCall("cancelled before it was sent", signum=signal.SIGTERM)
                self._unsent.take(call.id)
                hold.sent()
                try:
                    streams = call.asked.request.stream
                    run = partial(finishing.run, client) if finishing else client.run
                    result = run(prepared, save_partials=streams)
                except GptImage2Error as error:
                    hold.settle(error.billed, error.result.cost_usd if error.result else None)
                    raise
                hold.settle(result.billed, result.cost_usd)
                call.finish(result)
        except GptImage2Error as error:
            call.fail(error, secrets)
        except Exception as error:  # whatever it was, the page must not wait for ever
            text = f"internal error: {type(error).__name__}: {mask_secrets(str(error), secrets)}"
            # Nobody knows how far it had come.
            billed = Billed.MAYBE if call.state is State.RUNNING else Billed.NO
            call.fail(GptImage2Error(text, hint="look at the gallery before you try again", billed=billed))
        if not self._is_closing:
            self._put_away(call.id)
        with self._lock:
            self._switches.pop(call.id, None)
            self._futures.pop(call.id, None)
        self._changed(call)

    def _heard(self, call: CallState, event: Event) -> None:
        if isinstance(event, RequestStarted):
            call.sent(event)
        elif isinstance(event, PartialImage):
            if event.path is None:
                return
            preview = Path(event.path)  # the studio shows it; the folder is for pictures
            call.previews.append(preview.read_bytes())
            preview.unlink(missing_ok=True)
        elif isinstance(event, ImageSaved):
            call.images.append(event.image)
        elif isinstance(event, Warned):
            call.warnings.append(event.message)
        else:
            return
        self._changed(call)

    def told_budget(self) -> None:
        """Tells the pages what may still be spent."""
        self._tell({"kind": "budget", "budget": self.budget.json()})

    def _changed(self, call: CallState) -> None:
        self._tell({"kind": "call", "call": call.as_json(), "budget": self.budget.json()})

    def _forget_old(self) -> None:
        ended = [call_id for call_id, call in self._calls.items() if call.has_ended]
        for call_id in ended[: max(0, len(self._calls) - _MAX_KEPT)]:
            del self._calls[call_id]
