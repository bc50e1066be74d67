"""What base URL is meant by an address as it is pasted from documentation and portals. Pure."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

from .base_url import API_VERSION, AZURE_PATH, ENDPOINTS, BaseUrl, is_azure, is_official, refused

#: What portals and habit give for a resource at Azure instead of its base URL.
_AZURE_STUBS = r"(/openai|/v1|/api/projects/[^/]+)?"
_DEPLOYMENT = r"/openai/deployments/([^/]+)"
_OFFICIAL_PATH = "/v1"


def read_pasted_url(url: str, source: str) -> BaseUrl:
    """The base URL that is meant by an endpoint, a bare host, or an Azure resource or deployment.

    Raises:
        ConfigError: it cannot be one.
    """
    parts = urlsplit(url)
    path = re.sub(ENDPOINTS, "", parts.path.rstrip("/"), flags=re.I)
    is_endpoint = path != parts.path.rstrip("/")
    query = parse_qsl(parts.query, keep_blank_values=True)
    others = [name for name, _ in query if name != API_VERSION]
    if others and not is_endpoint:
        raise refused(
            source, f"has {', '.join(others)} in its query", 'give it as "query" in the config file'
        )
    versions = tuple(pair for pair in query if pair[0] == API_VERSION)
    what, advice = "the address of an endpoint" if is_endpoint else "", ""
    deployment = re.fullmatch(_DEPLOYMENT, path)
    if is_azure(url) and (re.fullmatch(_AZURE_STUBS, path) or (deployment and not versions)):
        what = "an Azure deployment" if deployment else "an Azure resource"
        advice = f"; the deployment's name goes by --model {deployment.group(1)}" if deployment else ""
        path = AZURE_PATH  # whose versions are words; those that are dates belong to deployments
        versions = tuple(pair for pair in versions if not pair[1][:1].isdigit())
    elif is_official(url) and not path:
        what, path = what or "a bare host", _OFFICIAL_PATH
    if others:
        advice += f"; {', '.join(others)} is left out"
    base = f"{parts.scheme}://{parts.netloc}{path}"
    return BaseUrl(
        base, versions, f"base URL from {source} is {what}: {base} is used{advice}" if what else ""
    )
