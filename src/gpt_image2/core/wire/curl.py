"""The only place that starts a process: a request goes to `curl`, its status, headers and body come out.

All that is secret or free text reaches curl through its standard input (`--config -`) or private files,
never through its arguments or its environment. `-q` comes first, so no `.curlrc` changes what is sent.
Headers and body come by ways of their own.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from itertools import chain
from typing import Callable, Dict, Generator, Iterable, Iterator, Mapping, Optional, Tuple

from ..base.errors import ConfigError, NetworkError
from ..base.interrupt import StopSwitch
from ..base.redact import is_maskable, show
from .addresses import read_address
from .curl_config import render_config
from .heads import MAX_HEAD_BYTES, HeadReader
from .messages import (
    BAD_ENCODING,
    BROKEN_ANSWER,
    GZIP_START,
    NO_ENCODING,
    TIMED_OUT,
    TOO_LONG,
    BadEncoding,
    HttpRequest,
    Received,
    ResponseHead,
    TransferEnd,
)
from .proxies import PROXY_VARIABLES, is_known_kind, proxy_variable, without_credentials

MIN_VERSION = (7, 64)  # the first with all that is used here

_CHUNK_BYTES = 7 << 14  # malloc takes fresh pages from the system for every piece of 128 KiB or more
_LOOK_MS = 500
_GRACE_S = 10.0  # for what came in time and is not read yet
_LAST_S = 2.0  # for an answer that was cut, until curl says how
_BAD_OPTION = 2


class Curl:
    """How curl is run: with an environment that holds no key, and ended when a stop is asked for."""

    def __init__(self, env: Mapping[str, str], secrets: Iterable[str], stop: StopSwitch) -> None:
        self.env = env
        self.secrets: Tuple[str, ...] = tuple(secrets)
        self.stop = stop

    def proxy_for(self, url: str) -> str:
        """The variable that names the proxy for a request to this URL; empty where it goes straight there.

        Raises:
            NetworkError: it is a proxy of a kind that curl cannot speak to.
        """
        try:
            address = read_address(url)
        except ValueError:  # curl will refuse it in its own words
            return ""
        variable = proxy_variable(self.env, address.scheme, address.host, address.port)
        if variable and not is_known_kind(self.env[variable]):
            raise NetworkError(
                f"{variable} names a proxy of an unknown kind: {self.shown_proxy(variable)}",
                hint="it begins with http://, https://, socks5h:// or another kind that curl knows",
                code="proxy",
            )
        return variable

    def shown_proxy(self, variable: str) -> str:
        """The proxy that a variable names, without name and password."""
        return show(without_credentials(self.env[variable], self.env[variable]))

    def receive(
        self,
        request: HttpRequest,
        take: Callable[[bytes], object],
        on_head: Callable[[ResponseHead], object] = lambda _: None,
        salvage: Optional[Callable[[bytes], object]] = None,
    ) -> Received:
        """Sends a request; gives status and headers to `on_head`, then the body to `take`, as they arrive,
        until that returns True: all has come then, although the server keeps the connection open.

        A body that is compressed is given as it was before. One above `max_bytes` ends as one that curl
        itself finds too long, one that cannot be decompressed as one in an encoding that curl does not know;
        what came until then was given. When this returns or raises, whatever the reason, curl has ended.

        What is raised in between, here or by whom the pieces are given to, ends the transfer: at once, or
        with `salvage` only when that was given the last piece again, and all that was still to come.

        Raises:
            ConfigError: there is no curl, or one that is too old.
            NetworkError: the environment names a proxy of an unknown kind.
        """
        started = time.monotonic()
        until = started + request.timeout_s + _GRACE_S
        size, piece = 0, b""
        pieces: Iterator[bytes] = iter(())
        transfer = _Transfer(request, self)
        try:
            head = transfer.read_head()
            pieces = transfer.body(head.headers.get("content-encoding", "") if head else "")
            if head is not None:
                on_head(head)
            try:
                for piece in pieces:
                    if request.max_bytes is not None and size + len(piece) > request.max_bytes:
                        transfer.cancel(TOO_LONG, f"longer than {request.max_bytes:,} bytes")
                        break
                    size += len(piece)
                    is_over, piece = take(piece) is True, b""
                    if is_over:
                        transfer.cancel(0, "")
                        break
                    if time.monotonic() > until:  # curl cannot tell while it waits for us to read
                        transfer.cancel(TIMED_OUT, f"no end after {request.timeout_s:.0f} seconds")
                        break
            except BadEncoding as error:
                transfer.cancel(BAD_ENCODING, str(error))
            end = transfer.end()
        except Exception:
            if salvage is not None:
                transfer.salvage(piece, pieces, salvage)
            raise
        finally:
            transfer.close()
        if end.exit_code == _BAD_OPTION and not end.sent:
            raise _too_old_error(end)
        return Received(head, end, size, time.monotonic() - started)


class _Transfer:
    """A running curl."""

    def __init__(self, request: HttpRequest, curl: Curl) -> None:
        self._stop = curl.stop
        self._cancelled: Optional[TransferEnd] = None
        variable = curl.proxy_for(request.url)
        self._proxy = curl.env[variable] if variable else ""
        self._shown_proxy = f"{variable} ({curl.shown_proxy(variable)})" if variable else ""
        # Nobody else knows the mark, so nobody else can write a report.
        self._mark = os.urandom(12).hex()
        self._first = b""
        #: What was read last, and is not passed on yet.
        self._piece = b""
        path = find_curl()
        self._heads = _HeadsChannel()
        try:
            with _signals_held():
                self._process = subprocess.Popen(
                    # The option among them is one that a curl older than MIN_VERSION refuses (exit 2).
                    [path, "-q", "--no-http0.9", "--config", "-"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=clean_environment(curl.env, curl.secrets),
                    bufsize=0,
                    pass_fds=self._heads.inherited,
                    # A Ctrl-C at the terminal is for us alone: we end curl when what has arrived is safe.
                    start_new_session=os.name == "posix",
                    creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
                )
        except OSError as error:
            self._heads.close()
            raise ConfigError(
                f"curl cannot be started: {error.strerror or error}",
                hint=f"check {path}",
                code="no_curl",
            ) from None
        try:
            self._begin(request)
        except BaseException:
            self.close()  # or else it would send the request when its input is closed, with nobody to read
            raise

    def _begin(self, request: HttpRequest) -> None:
        assert self._process.stdout is not None and self._process.stdin is not None
        self._heads.started(self._process.stdout.fileno())
        self._stop.watch(self._process.kill)
        config = render_config(request, self._proxy, self._heads.path, self._mark)
        try:
            self._process.stdin.write(config.encode("utf-8", "surrogateescape"))
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # curl has ended already; its exit code says why

    def close(self) -> None:
        """Ends the process, whatever happened."""
        self._stop.unwatch(self._process.kill)
        self._end_now()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()
        self._heads.close()

    def read_head(self) -> Optional[ResponseHead]:
        """The final status and headers, as soon as they are here; None when none ever come."""
        if not self._heads.is_pipe:
            self._first = self._read()  # curl writes the headers before the first byte of the body
        reader = HeadReader()
        while reader.head is None:
            if reader.is_too_long:
                self.cancel(BROKEN_ANSWER, f"the headers are longer than {MAX_HEAD_BYTES:,} bytes")
                return None
            data = self._heads.read()
            if not data:
                return None
            reader.feed(data)
        return ResponseHead(*reader.head)

    def body(self, encoding: str) -> Iterator[bytes]:
        """The body in pieces of any size, as they arrive, until it ends or is cut; never compressed.

        Raises:
            BadEncoding: it cannot be decompressed.
            UsageError: nothing that could lies beside the script.
        """
        first = self._read()
        chunks = chain([first], iter(self._read, b"") if first else ())
        if encoding.strip().lower() in NO_ENCODING and not first.startswith(GZIP_START):
            for chunk in chunks:
                yield chunk
                self._piece = b""
            return
        from .decompress import BodyDecoder

        decoder = BodyDecoder(encoding)
        for chunk in chunks:
            yield from decoder.feed(chunk)
            self._piece = b""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_S)  # where it was cut, curl says so better than the decoder
        yield from decoder.finish()

    def salvage(self, piece: bytes, pieces: Iterator[bytes], keep: Callable[[bytes], object]) -> None:
        """Gives a piece, and all that is still to come, to `keep`; as it was compressed where `pieces` end
        too early."""
        assert self._process.stdout is not None
        keep(piece)
        with suppress(Exception):  # what is raised here again is raised below
            for further in pieces:
                keep(further)
        read = partial(os.read, self._process.stdout.fileno(), _CHUNK_BYTES)
        for chunk in chain([self._piece], iter(read, b"")):
            keep(chunk)

    def cancel(self, code: int, reason: str) -> None:
        """Ends it for a reason of our own, under the code that curl has for such a thing."""
        if self._cancelled is None:
            self._cancelled = TransferEnd(code, reason, sent=True)
        self._end_now()

    def end(self) -> TransferEnd:
        """How it ended; waits for curl."""
        assert self._process.stderr is not None
        text = self._process.stderr.read().decode("utf-8", "replace")
        code = self._process.wait()
        # A body that is cut cannot be decompressed to its end: then the cut is what matters.
        if self._cancelled is not None and not (self._cancelled.exit_code == BAD_ENCODING and code > 0):
            return self._cancelled
        message, _, report = text.rpartition(self._mark) if self._mark in text else (text, "", "")
        times = [float(value.replace(",", ".")) for value in report.split()]
        sent = times[0] > 0 if times else code != _BAD_OPTION
        if code < 0:
            message = f"curl was ended by signal {-code}"
        said = re.search(r"^curl: \(\d+\) (.*)", message, re.M)  # what follows is advice on curl's options
        message = without_credentials(said.group(1) if said else message.strip(), self._proxy)
        return TransferEnd(code, message, sent, *times[1:5], proxy=self._shown_proxy)

    def _read(self) -> bytes:
        """The next bytes of the body. Headers that come beside it are trailers, and of no use."""
        assert self._process.stdout is not None
        self._piece, self._first = self._first, b""
        if not self._piece:
            body = self._process.stdout.fileno()
            self._heads.drain_until_readable(body)
            self._piece = os.read(body, _CHUNK_BYTES)
        return self._piece

    def _end_now(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextmanager
def _signals_held() -> Generator[None, None, None]:
    """What is started meanwhile does not hear who asks processes to end: Slurm and systemd ask each process
    of a job, and curl must outlive that until its bytes are safe."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


class _HeadsChannel:
    """The way by which curl passes headers on, apart from the body, so that neither can end in the other:
    a pipe, or where a pipe has no path (Windows) a private file that lasts as long as the transfer."""

    def __init__(self) -> None:
        self.is_pipe = os.name == "posix" and os.path.exists("/dev/fd")
        #: What curl must be started with.
        self.inherited: Tuple[int, ...] = ()
        self._poll: Optional[select.poll] = None
        if self.is_pipe:
            self._fd, end = os.pipe()
            self.inherited, self.path = (end,), f"/dev/fd/{end}"
        else:
            import tempfile

            self._fd, self.path = tempfile.mkstemp(prefix="gpt-image-2-")

    def started(self, body: int) -> None:
        """curl runs, and gives the body to this descriptor."""
        if self.is_pipe:
            self._close_inherited()
            self._poll = select.poll()
            self._poll.register(self._fd, select.POLLIN)
            self._poll.register(body, select.POLLIN)

    def read(self) -> bytes:
        return os.read(self._fd, _CHUNK_BYTES)

    def drain_until_readable(self, body: int) -> None:
        """Waits for the body; throws away what comes here meanwhile, since curl waits in a full pipe."""
        while self._poll is not None:
            # Not for ever: a signal that comes just before, or to another thread, wakes nobody here.
            ready = [fd for fd, _ in self._poll.poll(_LOOK_MS)]
            if self._fd in ready and not self.read():
                self._poll = None
            if body in ready:
                return

    def close(self) -> None:
        self._close_inherited()
        os.close(self._fd)
        if not self.is_pipe:
            with suppress(OSError):
                os.unlink(self.path)

    def _close_inherited(self) -> None:
        for end in self.inherited:
            os.close(end)
        self.inherited = ()


def clean_environment(env: Mapping[str, str], secrets: Iterable[str]) -> Dict[str, str]:
    """The environment for curl: CA settings stay; whatever holds a key does not, nor do the proxies, of which
    curl is told. A secret that is but a word (`1`, `local`) stands in many a value by chance."""
    hidden = [secret for secret in secrets if secret]
    return {
        name: value
        for name, value in env.items()
        if "API_KEY" not in name.upper()
        and name.lower() not in PROXY_VARIABLES
        and not any(value == secret or (secret in value and is_maskable(secret)) for secret in hidden)
    }


@lru_cache(maxsize=None)
def find_curl() -> str:
    """The path of curl; a `ConfigError` where there is none."""
    name = "curl.exe" if os.name == "nt" else "curl"
    places = [os.path.join(folder, name) for folder in os.get_exec_path()]
    path = next((place for place in places if os.path.isfile(place) and os.access(place, os.X_OK)), None)
    if path is None:
        raise ConfigError(
            "curl is not installed, or not on the PATH",
            hint="install it (apt install curl, brew install curl, winget install curl)",
            code="no_curl",
        )
    return path


def curl_version(path: str) -> Tuple[int, ...]:
    """The version of a curl program, () when it does not tell."""
    done = subprocess.run(
        [path, "-q", "--version"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if "API_KEY" not in name.upper()},
        check=False,
    )
    match = re.match(rb"curl (\d+)\.(\d+)(?:\.(\d+))?", done.stdout)
    return tuple(int(part) for part in match.groups() if part) if match else ()


def _too_old_error(end: TransferEnd) -> ConfigError:
    """The error to show when curl itself refused our options, as a too old one does."""
    version = ".".join(map(str, curl_version(find_curl()))) or "unknown"
    return ConfigError(
        f"curl {version} does not work here: {end.message}",
        hint=f"install curl {'.'.join(map(str, MIN_VERSION))} or newer",
        code="curl_too_old",
    )
