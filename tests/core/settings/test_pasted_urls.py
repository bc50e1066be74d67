"""Addresses as people paste them for a base URL: understood and said, or refused with what to write."""

from __future__ import annotations

from typing import Dict, List, Optional

import pytest
from harness import KEY, Home
from servers import Recorder

from gpt_image2.core.base.errors import ConfigError
from gpt_image2.core.settings.base_url import BaseUrl, read_base_url
from gpt_image2.core.settings.config import Settings, load_settings

RELAY = "https://relay.example/v1"
AZURE = "https://mine.openai.azure.com"


def settings(home: Home, url: str) -> Settings:
    return load_settings({"HOME": str(home.root)}, base_url=url, api_key=KEY)


@pytest.mark.parametrize(
    "endpoint",
    [
        *(
            "/images/generations",
            "/images/edits",
            "/chat/completions",
            "/responses",
            "/models",
            "/completions",
        ),
        *(
            "/embeddings",
            "/images/generations/",
            "//images//edits//",
            "/IMAGES/Generations",
            "/files",
            "/batches",
        ),
    ],
)
def test_an_endpoint_is_cut_back_to_its_base_and_that_is_said_once(home: Home, endpoint: str) -> None:
    found = settings(home, RELAY + endpoint)
    assert found.address("/images/generations") == f"{RELAY}/images/generations"
    (warning,) = found.warnings
    assert "--base-url" in warning and "endpoint" in warning and warning.endswith(f"{RELAY} is used")


@pytest.mark.parametrize(
    "url", [RELAY, f"{RELAY}/", f"{RELAY}//", "https://relay.example", "https://a.b/images"]
)
def test_a_base_url_is_used_as_it_is_without_a_word(home: Home, url: str) -> None:
    found = settings(home, url)
    assert (found.base_url, found.warnings) == (url.rstrip("/"), ())


def test_it_is_said_on_stderr_of_a_call_and_by_config_show(home: Home, recorder: Recorder) -> None:
    url = f"{recorder.base_url}/images/generations"
    run = home.run("generate", "a cat", "-o", "cat.png", base_url=url)
    assert run.code == 0 and recorder.only.path == "/v1/images/generations"
    said = f"GPT_IMAGE2_BASE_URL is the address of an endpoint: {recorder.base_url} is used"
    assert run.stderr.splitlines().count(f"warning: base URL from {said}") == 1
    shown = home.run("config", "--json", base_url=url)
    assert shown.json["settings"]["base_url"]["value"] == recorder.base_url
    assert shown.json["warnings"] == [f"base URL from {said}"]


def test_a_query_that_was_pasted_along_is_left_out_by_its_name_and_never_shown(home: Home) -> None:
    found = settings(home, f"{RELAY}/images/generations?key=sk-0123456789abcdef&a=b")
    assert found.address("/images/edits") == f"{RELAY}/images/edits"
    (warning,) = found.warnings
    assert "key, a is left out" in warning and "0123456789" not in warning


def test_a_query_of_a_base_url_is_refused_with_where_it_belongs(home: Home) -> None:
    with pytest.raises(ConfigError, match="has key, a in its query") as error:
        settings(home, f"{RELAY}?key=sk-0123456789abcdef&a=b")
    assert '"query"' in error.value.hint and "0123456789" not in error.value.message


V1 = f"{AZURE}/openai/v1"
DEPLOYED = f"{AZURE}/openai/deployments/mine"
AZURE_URLS: Dict[str, Optional[str]] = {
    AZURE: V1,
    f"{AZURE}/": V1,
    f"{AZURE}/openai": V1,
    f"{AZURE}/openai/": V1,
    f"{AZURE}/v1": V1,
    f"{AZURE}/openai/responses?api-version=2025-04-01-preview": V1,
    f"{AZURE}/openai/v1": V1,
    f"{AZURE}/openai/v1/images/edits?api-version=preview": f"{V1}?api-version=preview",
    f"{AZURE}?api-version=preview": f"{V1}?api-version=preview",
    DEPLOYED: V1,
    f"{DEPLOYED}/images/generations": V1,
    f"{DEPLOYED}?api-version=2025-04-01-preview": f"{DEPLOYED}?api-version=2025-04-01-preview",
    f"{DEPLOYED}/images/edits?api-version=2025-04-01": f"{DEPLOYED}?api-version=2025-04-01",
    "https://mine.services.ai.azure.com/api/projects/p1": "https://mine.services.ai.azure.com/openai/v1",
    "https://mine.cognitiveservices.azure.com": "https://mine.cognitiveservices.azure.com/openai/v1",
}


@pytest.mark.parametrize(("url", "used"), AZURE_URLS.items())
def test_what_azure_shows_is_understood_and_gets_the_key_in_its_own_header(
    home: Home, url: str, used: str
) -> None:
    base, _, query = used.partition("?")
    found = settings(home, url)
    assert found.address("/images/edits") == f"{base}/images/edits" + (f"?{query}" if query else "")
    assert found.auth_headers == (("api-key", KEY),)


@pytest.mark.parametrize("url", [DEPLOYED, f"{DEPLOYED}/images/generations"])
def test_the_name_of_a_deployment_without_a_version_is_said_to_be_the_model(home: Home, url: str) -> None:
    (warning,) = settings(home, url).warnings
    assert V1 in warning and "--model mine" in warning


def test_a_gateway_that_is_given_an_api_version_is_spoken_to_as_azure(home: Home) -> None:
    found = settings(home, "https://apim.corp.example/openai/v1?api-version=preview")
    assert found.address("/models") == "https://apim.corp.example/openai/v1/models?api-version=preview"
    assert (found.auth_headers, found.warnings) == ((("api-key", KEY),), ())


@pytest.mark.parametrize(
    "url",
    [
        "https://mine.openai.azure.com.evil.example",
        "https://evil.example/mine.openai.azure.com",
        "https://azure.com",
    ],
)
def test_what_only_looks_like_azure_is_left_as_it_is(home: Home, url: str) -> None:
    found = settings(home, url)
    assert found.base_url == url and found.auth_headers == (("Authorization", f"Bearer {KEY}"),)


def test_the_bare_official_host_gets_its_version(home: Home) -> None:
    found = settings(home, "https://api.openai.com")
    assert found.base_url == "https://api.openai.com/v1" and len(found.warnings) == 1


BAD: List[str] = [
    "ftp://a.example/v1",
    "a.example/v1",
    "https:///v1",
    "https://a b/v1",
    "https://u:p@a.example/v1",
]


@pytest.mark.parametrize("url", [*BAD, f"{RELAY}#here", "https://a.example:x/v1", "https://a.example\\v1"])
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="base URL from here"):
        read_base_url(url, "here")


def test_a_cut_address_is_data() -> None:
    assert read_base_url(f"{RELAY}?api-version=1", "here") == BaseUrl(RELAY, (("api-version", "1"),))
