"""Where every setting comes from, and which source won. Reads the config file and the environment.

Priority, field by field: the file named by `--config` > flags > the config file that was found >
environment variables > defaults.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from ..api.cost import NO_TEXT_PRICES, PRICES, TextPrices
from ..api.models import DEFAULT_MODEL, Prices
from ..api.request import ImageRequest
from ..base.errors import ConfigError
from ..base.record import Record, replace
from ..base.redact import mask_key, show
from .base_url import (
    API_VERSION,
    DEFAULT_BASE_URL,
    is_azure,
    is_loopback,
    read_base_url,
)
from .config_file import ConfigFile, read_config_file
from .host_field import HostField
from .hosts import HostFacts, load_facts
from .keys import (
    BASE_URL_VARIABLE,
    OFFICIAL_KEY_VARIABLE,
    OFFICIAL_URL_VARIABLE,
    Found,
    check_key,
    is_official_key_meant,
    key_hint,
    pick_key,
)
from .places import config_locations, state_folder
from .poll import Poll

DEFAULT_FORMAT_FIELD = "output_format"
DEFAULT_IMAGE_FIELD = "image[]"
PROFILE_VARIABLE = "GPT_IMAGE2_PROFILE"
MODEL_VARIABLE = "GPT_IMAGE2_MODEL"

_DEFAULT = "default"


class Settings(Record):
    """The effective settings of a call. `api_key` is None when no source gives one for this base URL.

    `model` is that of requests which name none. `history` is whether calls are recorded, `stream` whether
    each streams that can. `prices` are the
    list prices and those of the config file; `text_prices` are those of models that write SVGs.
    `sources` says in words where each setting comes from, by its name.
    """

    base_url: str
    api_key: Optional[str]
    format_field: str
    image_field: str
    streams: Optional[bool]  # None: nobody knows
    sources: Mapping[str, str]
    config_file: Optional[ConfigFile]
    history: bool = True
    stream: bool = False
    model: str = DEFAULT_MODEL
    prices: Mapping[str, Prices] = PRICES
    text_prices: Mapping[str, TextPrices] = NO_TEXT_PRICES
    key_problem: str = ""
    key_hint: str = ""
    warnings: Tuple[str, ...] = ()
    #: The profile in force, empty without one.
    profile: str = ""
    #: What goes with every request to the base URL's host, and nowhere else.
    headers: Tuple[HostField, ...] = ()
    query: Tuple[HostField, ...] = ()
    #: How tasks of this host are asked for; None where the config does not say.
    poll: Optional[Poll] = None

    def __repr__(self) -> str:
        return f"Settings(base_url={self.base_url!r}, api_key={self.masked_key})"

    def applied_to(self, request: ImageRequest) -> ImageRequest:
        """The request with their model where it names none, and streamed where they say so and it can be."""
        streams = request.stream or (self.stream and request.output_format not in ("gif", "svg"))
        return replace(request, model=request.model or self.model, stream=streams)

    @property
    def secrets(self) -> Tuple[str, ...]:
        own = (secret for field in (*self.headers, *self.query) for secret in field.secrets)
        return (*((self.api_key,) if self.api_key else ()), *own)

    @property
    def masked_key(self) -> str:
        """The key, or what stands in for it, as it may be shown; else a word that there is none."""
        if self.key_header:
            return self.key_header.shown
        return mask_key(self.api_key) if self.api_key else "(none)"

    @property
    def key_header(self) -> Optional[HostField]:
        """The header of the config that stands in for the key's own, None without one."""
        return next((field for field in self.headers if field.is_key), None)

    @property
    def auth_headers(self) -> Tuple[Tuple[str, str], ...]:
        """What goes to the base URL's own host alone: the key, and the headers of the config."""
        own = tuple((field.name, field.value) for field in self.headers if field.value is not None)
        return own if self.key_header or not self.api_key else (self._with_key(self.api_key), *own)

    @property
    def shown_headers(self) -> Mapping[str, str]:
        """The same as they may be shown."""
        key = () if self.key_header else (self._with_key(self.masked_key),)
        return dict((*key, *((field.name, field.shown) for field in self.headers)))

    def _with_key(self, key: str) -> Tuple[str, str]:
        """Azure has a header of its own, everybody else takes a bearer token."""
        speaks_azure = is_azure(self.base_url) or any(field.name == API_VERSION for field in self.query)
        return ("api-key", key) if speaks_azure else ("Authorization", f"Bearer {key}")

    def with_auth(self, *headers: Tuple[str, str]) -> Tuple[Tuple[str, str], ...]:
        """The headers of a request to the base URL's own host; what the config says of one goes first."""
        own = self.auth_headers
        names = {name.lower() for name, _ in own}
        return (*own, *(header for header in headers if header[0].lower() not in names))

    def address(self, path: str) -> str:
        """The address of a path below the base URL."""
        if not self.query:
            return self.base_url + path
        from .host_field import with_query

        return with_query(self.base_url + path, self.query)

    def require_key(self) -> None:
        """Nothing, where all is there that the host wants to know; else a `ConfigError` whose hint says how
        to give it."""
        missing = next((field for field in (*self.headers, *self.query) if field.value is None), None)
        if missing is not None:
            raise ConfigError(
                f"the config names the variable {missing.variable} for {missing.name}, and it is not set",
                hint=f"set it (export {missing.variable}=…), or remove {missing.name} from the config",
                code="no_host_field",
            )
        if self.api_key is None and self.key_header is None:
            raise ConfigError(
                self.key_problem or f"no API key for {self.base_url}",
                hint=self.key_hint,
                code="no_api_key",
            )


def load_settings(
    env: Mapping[str, str],
    *,
    config: Optional[str] = None,
    profile: Optional[str] = None,
    base_url: Optional[str] = None,
    api_key: Optional[str] = None,
) -> Settings:
    """The effective settings from flags (or keyword arguments), the config file and the environment. An
    unusable file, profile, URL or key is a `ConfigError`; that there is no key shows only in
    `Settings.require_key`."""
    file = _active_file(env, config, profile)
    flags = {"base_url": base_url, "api_key": api_key}
    warnings = list(file.warnings) if file else []
    file_first = config is not None
    if file and file_first:
        warnings += _shadowed_flags(file, flags)
    given_url, url_source = _pick_base_url(env, file, flags, file_first)
    read = read_base_url(given_url, url_source)
    url = read.url
    warnings += [read.said] if read.said else []
    warnings += _shadowed_urls(env, file, given_url, url_source)
    hint = key_hint(file, url)
    try:
        key, problem = pick_key(env, file, api_key, file_first, url)
    except ConfigError as error:  # it matters only when something is sent
        key, problem, hint = None, error.message, error.hint
    host_file: Optional[ConfigFile] = None
    host_sources = {f"query.{name}": url_source for name, _ in read.query}
    if file and (file.headers or file.query or file.poll):
        from .of_host import file_for, sources_of

        host_file, left_out = file_for(file, url)
        warnings += left_out
        host_sources.update(sources_of(host_file) if host_file else {})
    query: Tuple[HostField, ...] = ()
    if read.query or host_file:
        from .of_host import whole_query

        query = whole_query(read.query, host_file)
    if key:
        check_key(*key)
    if (key or host_file) and urlsplit(url).scheme == "http" and not is_loopback(url):
        warnings.append(f"the key goes to {url} unencrypted; use https")
    facts = _facts_of(env, url)
    format_field, format_source = _pick_format_field(file, facts)
    model, model_source = _pick_model(env, file)
    image_field = facts.image_field if facts else None
    streams = facts.streams if facts else None
    return Settings(
        base_url=url,
        api_key=key[0] if key else None,
        format_field=format_field,
        image_field=image_field or DEFAULT_IMAGE_FIELD,
        streams=streams,
        sources={
            "base_url": url_source,
            "api_key": key[1] if key else "",
            "model": model_source,
            "format_field": format_source,
            "image_field": _probe_source(facts) if facts and image_field else _DEFAULT,
            "streams": "not probed" if streams is None else "doctor --probe",
            **{
                name: file.source(name) if file and name in file.given else _DEFAULT
                for name in ("history", "stream")
            },
            "prices": file.source("prices") if file and "prices" in file.given else _DEFAULT,
            "profile": file.profile_source if file and file.profile else _DEFAULT,
            **host_sources,
        },
        config_file=file,
        history=file is None or file.history is not False,
        stream=bool(file and file.stream),
        model=model,
        prices={**PRICES, **file.prices} if file else PRICES,
        text_prices=file.text_prices if file else NO_TEXT_PRICES,
        key_problem=problem,
        key_hint=hint,
        warnings=tuple(warnings),
        profile=file.profile if file else "",
        headers=host_file.headers if host_file else (),
        query=query,
        poll=host_file.poll if host_file else None,
    )


def _facts_of(env: Mapping[str, str], url: str) -> Optional[HostFacts]:
    try:
        return load_facts(state_folder(env), url)
    except ConfigError:  # without a home nothing was learnt
        return None


def _active_file(
    env: Mapping[str, str], config: Optional[str], profile: Optional[str]
) -> Optional[ConfigFile]:
    source = "--profile"
    if profile is None:
        profile, source = env.get(PROFILE_VARIABLE) or None, PROFILE_VARIABLE
    path = find_config(env, config)
    if path is not None:
        return read_config_file(path, env, profile, source)
    if profile:
        raise ConfigError(
            f"there is no config file, and so no profile {show(profile, limit=100)!r}, which {source} names",
            hint="write one: config --init --profile NAME",
            code="unknown_profile",
        )
    return None


def find_config(env: Mapping[str, str], config: Optional[str]) -> Optional[Path]:
    """The config file that is named, or else found; None where there is none."""
    if config is not None:
        path = Path(os.path.expanduser(config)).absolute()
        if not os.path.isfile(path):  # unlike Path.is_file it never raises
            raise ConfigError(
                f"config {path} does not exist", hint=f"create it: config --init --config {path}"
            )
        return path
    return next((path for path in config_locations(env) if os.path.isfile(path)), None)


def _shadowed_flags(file: ConfigFile, flags: Mapping[str, Optional[str]]) -> List[str]:
    key_in_file = "api_key" in file.fields or "api_key_env" in file.fields
    shadowed = {"base_url": "base_url" in file.fields, "api_key": key_in_file}
    return [
        f"--{name.replace('_', '-')} is not used: {file.path}, named by --config, sets it and goes first"
        for name, value in flags.items()
        if value is not None and shadowed[name]
    ]


def _shadowed_urls(env: Mapping[str, str], file: Optional[ConfigFile], url: str, source: str) -> List[str]:
    """Warnings for a base URL of the environment that is passed over: the user would pay elsewhere than they
    think."""
    by_file = file is not None and source == file.source("base_url")
    names = [BASE_URL_VARIABLE] if by_file else []
    if by_file and file and file.fields.get("api_key_env") == OFFICIAL_KEY_VARIABLE:
        names.append(OFFICIAL_URL_VARIABLE)
    why = f"{source} sets it and goes first"
    if source == _DEFAULT:
        names = [OFFICIAL_URL_VARIABLE]
        why = f"it goes with {OFFICIAL_KEY_VARIABLE} only; {BASE_URL_VARIABLE} goes with every key"
    shadowed = [name for name in names if env.get(name) and env[name].rstrip("/") != url.rstrip("/")]
    return [f"{name} is not used: {why}" for name in shadowed]


def _pick_base_url(
    env: Mapping[str, str], file: Optional[ConfigFile], flags: Mapping[str, Optional[str]], file_first: bool
) -> Found:
    found: List[Found] = []
    if flags["base_url"] is not None:
        found.append((flags["base_url"], "--base-url"))
    if file and "base_url" in file.fields:
        place = 0 if file_first else len(found)
        found.insert(place, (file.fields["base_url"], file.source("base_url")))
    if env.get(BASE_URL_VARIABLE):
        found.append((env[BASE_URL_VARIABLE], BASE_URL_VARIABLE))
    if env.get(OFFICIAL_URL_VARIABLE) and is_official_key_meant(env, file, flags["api_key"]):
        found.append((env[OFFICIAL_URL_VARIABLE], OFFICIAL_URL_VARIABLE))
    return found[0] if found else (DEFAULT_BASE_URL, _DEFAULT)


def _pick_format_field(file: Optional[ConfigFile], facts: Optional[HostFacts]) -> Found:
    if file and "format_field" in file.fields:
        name = file.fields["format_field"]
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
            raise ConfigError(
                f"config {file.path}: format_field {show(name)!r} is no name of an API field",
                hint=f'leave it out for "{DEFAULT_FORMAT_FIELD}", or use "format"',
            )
        return name, file.source("format_field")
    if facts and facts.format_field:
        return facts.format_field, _probe_source(facts)
    return DEFAULT_FORMAT_FIELD, _DEFAULT


def _pick_model(env: Mapping[str, str], file: Optional[ConfigFile]) -> Found:
    """The model of requests that name none; a flag is no source of it, for it names one."""
    if file and "model" in file.fields:
        return file.fields["model"], file.source("model")
    return (env[MODEL_VARIABLE], MODEL_VARIABLE) if env.get(MODEL_VARIABLE) else (DEFAULT_MODEL, _DEFAULT)


def _probe_source(facts: HostFacts) -> str:
    return f"doctor --probe on {facts.probed_on}"
