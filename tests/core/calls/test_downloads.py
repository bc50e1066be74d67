"""Images that come as addresses: fetched without the key, bounded, nowhere private, never paid for twice."""

from __future__ import annotations

import json
import socket
from typing import Any, Callable, ClassVar, Dict, List, Optional

import pytest
from faulty import Exchange, serving
from harness import KEY, Home, Sandbox, generate
from pictures import png
from servers import Answer, Recorder, Request

from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.calls import download
from gpt_image2.core.calls.download import Downloader, DownloadFailed, is_public, leads_to_private_network

ONE, TWO, THREE = (png(noise=bytes([number])) for number in (1, 2, 3))


def addressed(recorder: Recorder, *urls: str, files: Optional[Dict[str, List[Answer]]] = None) -> None:
    """Lets a recorder answer with addresses, and each of its files with these answers in turn."""
    left = {path: list(answers) for path, answers in (files or {}).items()}

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(body=json.dumps({"data": [{"url": url} for url in urls]}).encode())
        answers = left[request.path]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    recorder.answer = answer


def image(picture: bytes) -> Answer:
    return Answer(200, picture, (("Content-Type", "image/png"),))


def redirect(place: str) -> Answer:
    return Answer(302, b"", (("Location", place),))


def paid(recorder: Recorder) -> int:
    return sum(request.method == "POST" for request in recorder.requests)


def test_a_flaky_download_is_tried_again_and_the_request_is_not_paid_again(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    run = home.run(
        "generate", prompt, "--n", "2", "-o", "cat.png", "--json", base_url=sandbox.fault("url-flaky")
    )
    log = sandbox.log(prompt)
    assert (run.code, log["hits"], len(run.json["images"])) == (0, 1, 2)
    assert sorted(each["status"] for each in log["downloads"]) == [200, 200, 500, 500]
    assert not any(each["key_sent"] for each in log["downloads"])


def test_no_header_of_a_download_carries_the_key_even_to_the_same_host(
    home: Home, recorder: Recorder
) -> None:
    addressed(recorder, f"{recorder.root}/1.png", files={"/1.png": [image(ONE)]})
    run = generate(home, recorder.base_url)
    assert (run.code, run.pictures) == (0, [ONE])
    post, get = recorder.requests
    assert KEY in str(post.headers)
    assert "uthorization" not in str(get.headers) and KEY not in str(get.headers)


def test_an_address_is_fetched_as_it_stands_query_brackets_and_all(home: Home, recorder: Recorder) -> None:
    path = '/a%20b/{1,2}[1-3].png?sig=a%2Bb+c&x=%27"\\'
    url = recorder.root + path.replace("\\", "")
    addressed(recorder, url, files={path.replace("\\", ""): [image(ONE)]})
    body = json.dumps({"data": [{"url": url}]}).replace("&", "\\u0026").encode()
    usual = recorder.answer
    recorder.answer = lambda request: Answer(body=body) if request.method == "POST" else usual(request)
    run = generate(home, recorder.base_url)
    assert (run.code, run.pictures) == (0, [ONE]), run.stdout


def test_redirects_are_followed_without_the_key(home: Home, recorder: Recorder) -> None:
    files = {
        "/1": [redirect("/2")],
        "/2": [redirect(f"{recorder.root}/3?x=1")],
        "/3?x=1": [redirect("4.png")],
        "/4.png": [image(ONE)],
    }
    addressed(recorder, f"{recorder.root}/1", files=files)
    run = generate(home, recorder.base_url)
    assert (run.code, run.pictures, paid(recorder)) == (0, [ONE], 1)
    assert KEY not in str([request.headers for request in recorder.requests[1:]])


@pytest.mark.parametrize("place", ["/1", "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "data:,x"])
def test_redirects_that_lead_nowhere_end(place: str, home: Home, recorder: Recorder) -> None:
    addressed(recorder, f"{recorder.root}/1", files={"/1": [redirect(place)]})
    run = generate(home, recorder.base_url)
    assert (run.code, run.json["billed"], paid(recorder)) == (7, "yes", 1)
    assert run.json["error"]["code"] == "download_failed"
    assert len(recorder.requests) <= 8


def test_what_cannot_be_fetched_leaves_its_address_in_the_error_and_the_answer_on_disk(
    home: Home, recorder: Recorder
) -> None:
    gone, good = f"{recorder.root}/gone.png", f"{recorder.root}/good.png"
    addressed(recorder, gone, good, files={"/gone.png": [Answer(404)], "/good.png": [image(ONE)]})
    run = generate(home, recorder.base_url, "--n", "2")
    (kept,) = home.rescued.glob("*answer.json")
    assert (run.code, run.json["billed"], run.pictures) == (9, "yes", [ONE])
    assert gone in run.json["error"]["message"] and "HTTP 404" in run.json["error"]["message"]
    assert str(kept) in run.json["error"]["hint"]
    assert json.loads(kept.read_text())["data"][0]["url"] == gone
    assert paid(recorder) == 1


def test_a_download_is_bounded_by_max_download(home: Home, recorder: Recorder) -> None:
    large = ONE + b"\0" * 2_000_000
    addressed(recorder, f"{recorder.root}/1.png", files={"/1.png": [image(large)]})
    run = generate(home, recorder.base_url, "--max-download", "1")
    assert run.code == 7
    assert "--max-download" in run.json["error"]["message"]
    assert len(recorder.requests) == 2
    assert list(home.cwd.iterdir()) == [] and home.leftovers() == []
    run = generate(home, recorder.base_url, "--max-download", "3")
    assert run.pictures == [large]


def test_a_download_that_is_cut_is_begun_anew_and_the_pieces_are_not_mixed(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        if exchange.path != "/1.png":
            exchange.answer(json.dumps({"data": [{"url": f"{server.root}/1.png"}]}).encode())
        elif len(server.exchanges) == 2:
            exchange.start(len(ONE))
            exchange.send(ONE[:-20])
        else:
            exchange.answer(ONE)

    with serving(talk) as server:
        run = generate(home, server.base_url)
    assert (run.code, run.pictures, server.hits) == (0, [ONE], 1)


def test_a_download_that_is_no_image_is_kept_aside_and_its_place_is_said(
    home: Home, recorder: Recorder
) -> None:
    page = Answer(200, b"<html>please log in</html>", ())
    addressed(recorder, f"{recorder.root}/1.png", files={"/1.png": [page]})
    run = generate(home, recorder.base_url)
    (kept,) = home.rescued.glob("*not-an-image.bin")
    assert (run.code, run.json["billed"]) == (6, "yes")
    assert run.json["error"]["code"] == "not_an_image"
    assert kept.read_bytes() == page.body and str(kept) in run.json["error"]["hint"]


def test_of_images_and_addresses_in_one_answer_all_are_saved(home: Home, recorder: Recorder) -> None:
    from faulty import quoted

    addressed(recorder, files={"/2.png": [image(TWO)]})
    body = b'{"data": [' + quoted(ONE) + b'}, {"url": "' + recorder.root.encode() + b'/2.png"}]}'
    usual = recorder.answer
    recorder.answer = lambda request: Answer(body=body) if request.method == "POST" else usual(request)
    run = generate(home, recorder.base_url, "--n", "2")
    assert (run.code, run.pictures) == (0, [ONE, TWO])


def test_addresses_in_an_answer_that_is_cut_are_fetched(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        if exchange.path == "/1.png":
            exchange.answer(ONE)
            return
        exchange.start(10_000)
        exchange.send(
            b'{"data": [{"url": "' + server.root.encode() + b'/1.png"}, {"url": "' + server.root.encode()
        )

    with serving(talk) as server:
        run = generate(home, server.base_url, "--n", "2")
    assert (run.code, run.json["billed"], run.pictures, server.hits) == (9, "yes", [ONE], 1)


def test_previews_by_address_are_not_taken_for_images(home: Home, recorder: Recorder) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "GET":
            return image(TWO if request.path == "/final.png" else ONE)
        events = [
            {
                "type": "image_generation.partial_image",
                "partial_image_index": 0,
                "url": f"{recorder.root}/p.png",
            },
            {"type": "image_generation.completed", "url": f"{recorder.root}/final.png"},
        ]
        return Answer(body="".join(f"data: {json.dumps(each)}\n\n" for each in events).encode())

    recorder.answer = answer
    run = generate(home, recorder.base_url, "--stream")
    assert (run.code, run.pictures, run.json["warnings"]) == (0, [TWO], [])


# Where an address may lead


def addresses(**names: List[str]) -> Callable[..., List[Any]]:
    """A resolver that knows these names, and addresses as they are."""

    def resolve(host: str, *rest: Any, **more: Any) -> List[Any]:
        known = {name.replace("_", "."): found for name, found in names.items()}
        if host not in known:
            try:
                socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
            except OSError:
                raise socket.gaierror(-2, "unknown") from None
        return [(2, 1, 6, "", (address, 0)) for address in known.get(host, [host])]

    return resolve


class NoTransfer:
    """Stands where curl starts: notes what would have been asked for, and fails."""

    asked: ClassVar[List[Any]] = []

    def __init__(self, request: Any, *rest: Any) -> None:
        self.asked.append(request)
        raise DownloadFailed("stopped here by the test")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> List[Any]:
    """The requests that curl would have made, while names resolve as told."""
    resolver = addresses(
        good_example=["93.184.216.34"],
        both_example=["93.184.216.34", "127.0.0.1"],
        inner_example=["10.0.0.7"],
        six_example=["2606:2800:220:1::1"],
        nat_example=["64:ff9b::5db8:d822"],
        nat_inner=["64:ff9b::a00:1"],
    )
    monkeypatch.setattr("socket.getaddrinfo", resolver)
    monkeypatch.setattr(download, "Transfer", NoTransfer)
    NoTransfer.asked = []
    return NoTransfer.asked


def fetch(url: str, env: Optional[Dict[str, str]] = None, allow_private: bool = False) -> str:
    """Why an address was not fetched."""
    downloader = Downloader(env or {}, StopSwitch(), allow_private=allow_private)
    with pytest.raises(DownloadFailed) as caught:
        downloader.fetch(url, lambda data: None, lambda: None)
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://127.0.0.1:8080/latest",
        "https://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[fe80::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[fd00::1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://0.0.0.0/",
        "http://192.168.1.1/router",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://inner.example/",
        "http://nat.inner/",
        "http://both.example/",
        "http://user:pass@127.0.0.1/",
        "http://good.example@127.0.0.1/",
    ],
)
def test_a_public_api_cannot_lead_into_a_private_network(url: str, asked: List[Any]) -> None:
    assert "private network" in fetch(url)
    assert "private network" in fetch(url, {"https_proxy": "http://proxy:1", "http_proxy": "http://proxy:1"})
    assert asked == []
    assert "stopped here" in fetch(url, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://good.example/",
        "//good.example/x",
        "http://",
        "http:///x",
        "http://good.example:99999/",
        "http://good.example/\r\nX: y",
        "http://good.example\\@127.0.0.1/",
        "http://127.0.0.%31/",
        "http://%6cocalhost/",
        "http://[::1/",
        "javascript:alert(1)",
    ],
)
def test_what_is_no_plain_address_is_never_given_to_curl(url: str, asked: List[Any]) -> None:
    assert "address" in fetch(url)
    assert "address" in fetch(url, allow_private=True)
    assert asked == []


@pytest.mark.parametrize(
    "url, pinned",
    [
        ("https://good.example/a.png", "good.example:443:93.184.216.34"),
        ("http://GOOD.example:8080/a.png", "good.example:8080:93.184.216.34"),
        ("https://six.example/", "six.example:443:[2606:2800:220:1::1]"),
        ("https://nat.example/", "nat.example:443:[64:ff9b::5db8:d822]"),
        ("https://93.184.216.34/", None),
    ],
)
def test_a_public_name_is_pinned_to_the_address_that_was_checked(
    url: str, pinned: Optional[str], asked: List[Any]
) -> None:
    assert "stopped here" in fetch(url)
    (request,) = asked
    assert (request.url, request.resolve) == (url, pinned)
    assert "uthorization" not in str(request.headers)


def test_a_name_that_only_the_proxy_knows_goes_to_the_proxy(asked: List[Any]) -> None:
    assert "stopped here" in fetch("https://cdn.example/1", {"HTTPS_PROXY": "http://proxy:1"})
    assert len(asked) == 1


def test_a_name_that_nobody_knows_is_said_to_be_unknown(asked: List[Any], monkeypatch: Any) -> None:
    monkeypatch.setattr(download, "backoff_s", lambda retry: 0.0)
    assert "cannot find the host nowhere.example" in fetch("https://nowhere.example/1")
    assert asked == []


def test_every_step_of_a_chain_of_redirects_is_checked(monkeypatch: Any, asked: List[Any]) -> None:
    downloader = Downloader({}, StopSwitch())
    steps = {
        "https://good.example/1": "https://good.example/2",
        "https://good.example/2": "http://127.0.0.1/",
    }
    pin = downloader._pin
    monkeypatch.setattr(downloader, "_get", lambda url, take: (pin(url), steps[url])[1])
    with pytest.raises(DownloadFailed, match="private network"):
        downloader.fetch("https://good.example/1", lambda data: None, lambda: None)


@pytest.mark.parametrize(
    "address, expected",
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::808:808", True),
        ("ff02::1", False),
        ("192.0.2.1", False),
    ],
)
def test_an_address_is_public_or_it_is_not(address: str, expected: bool) -> None:
    assert is_public(address) is expected


def test_only_a_private_base_url_lets_downloads_into_private_networks(asked: List[Any]) -> None:
    assert leads_to_private_network("http://127.0.0.1:8787/v1")
    assert leads_to_private_network("https://inner.example/v1")
    assert not leads_to_private_network("https://good.example/v1")
    assert not leads_to_private_network("https://nowhere.example/v1")
