"""Images that come as addresses: fetched without the key, bounded, nowhere private, never paid for twice."""

from __future__ import annotations

import json
import socket
from typing import Any, Dict, List, Optional, Tuple

import pytest
from faulty import Exchange, serving
from harness import KEY, Home, Sandbox, generate
from pictures import png
from servers import Answer, Recorder, Request

from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.calls.download import Downloader, DownloadFailed, is_public, leads_to_private_network
from gpt_image2.core.wire.curl import Curl

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

PUBLIC = "http://93.184.216.34"  # nobody is asked there: all goes to a proxy on loopback


class Once(StopSwitch):
    """Has no patience for a second try."""

    def wait(self, seconds: float) -> bool:
        return True


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver, as far as these tests go: it knows a few names, and addresses as they are."""
    known = {
        "good.example": ["93.184.216.34"],
        "both.example": ["93.184.216.34", "127.0.0.1"],
        "inner.example": ["10.0.0.7"],
        "six.example": ["2606:2800:220:1::1"],
        "nat.example": ["64:ff9b::5db8:d822"],
        "nat.inner": ["64:ff9b::a00:1"],
    }

    def resolve(host: str, *rest: Any, **more: Any) -> List[Any]:
        if host not in known:
            try:
                socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
            except OSError:
                raise socket.gaierror(-2, "unknown") from None
        return [(2, 1, 6, "", (address, 0)) for address in known.get(host, [host])]

    monkeypatch.setattr("socket.getaddrinfo", resolve)


def fetch(url: str, proxy: str, allow_private: bool = False) -> str:
    """Why an address was not fetched, empty where it was."""
    env = {"http_proxy": proxy, "https_proxy": proxy}
    downloader = Downloader(Curl(env, (), Once()), allow_private=allow_private)
    try:
        downloader.fetch(url, lambda data: None, lambda: None)
    except DownloadFailed as error:
        return str(error)
    return ""


def test_an_answer_of_a_public_api_cannot_lead_into_a_private_network(home: Home, recorder: Recorder) -> None:
    addressed(recorder, f"{recorder.root}/1.png")
    run = generate(home, f"{PUBLIC}/v1", env={"http_proxy": recorder.root})
    assert (run.code, run.json["billed"], recorder.only.method) == (7, "yes", "POST")
    assert "127.0.0.1 is in a private network" in run.json["error"]["message"]


def test_every_step_of_a_chain_of_redirects_is_checked(home: Home, recorder: Recorder) -> None:
    files = {f"{PUBLIC}/1": [redirect("/2")], f"{PUBLIC}/2": [redirect(f"{recorder.root}/3")]}
    addressed(recorder, f"{PUBLIC}/1", files=files)
    run = generate(home, f"{PUBLIC}/v1", env={"http_proxy": recorder.root})
    assert run.code == 7 and "127.0.0.1 is in a private network" in run.json["error"]["message"]
    assert [request.path for request in recorder.requests[1:]] == list(files)


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
def test_what_is_in_a_private_network_is_asked_for_only_where_that_is_allowed(
    url: str, names: None, recorder: Recorder
) -> None:
    assert "private network" in fetch(url, recorder.root)
    assert recorder.requests == []
    fetch(url, recorder.root, allow_private=True)
    assert recorder.only.method == ("CONNECT" if url.startswith("https:") else "GET")


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
@pytest.mark.parametrize("allow_private", [False, True])
def test_what_is_no_plain_address_is_never_asked_for(
    url: str, allow_private: bool, names: None, recorder: Recorder
) -> None:
    assert "address" in fetch(url, recorder.root, allow_private)
    assert recorder.requests == []


@pytest.mark.parametrize(
    "url, place",
    [
        ("https://good.example/a.png", ("93.184.216.34", 443)),
        ("http://good.example/a.png", ("93.184.216.34", 80)),
        ("http://GOOD.example:8080/a.png", ("93.184.216.34", 8080)),
        ("http://six.example/", ("2606:2800:220:1::1", 80)),
        ("http://nat.example/", ("64:ff9b::5db8:d822", 80)),
        ("http://93.184.216.34/", ("93.184.216.34", 80)),
    ],
)
def test_a_public_name_is_fetched_from_the_address_that_was_checked(
    url: str, place: Tuple[str, int], names: None
) -> None:
    """Seen by a SOCKS proxy, to which curl says not the name but the address that it goes to."""
    asked: List[Tuple[str, int]] = []

    def greet(connection: socket.socket) -> socket.socket:
        connection.recv(1 + 1 + 255)
        connection.sendall(bytes([5, 0]))
        family, size = {1: (socket.AF_INET, 4), 4: (socket.AF_INET6, 16)}[connection.recv(4)[3]]
        address = socket.inet_ntop(family, connection.recv(size))
        asked.append((address, int.from_bytes(connection.recv(2), "big")))
        refused = asked[-1][1] == 443  # for want of a certificate
        connection.sendall(bytes([5, refused, 0, 1, *bytes(6)]))
        return connection

    with serving(lambda exchange: exchange.answer(ONE), greet) as server:
        problem = fetch(url, f"socks5://127.0.0.1:{server.port}")
    assert asked == [place]
    assert bool(problem) == url.startswith("https:")


def test_a_name_that_only_the_proxy_knows_goes_to_the_proxy(names: None, recorder: Recorder) -> None:
    assert fetch("http://cdn.example/1", recorder.root) == ""
    assert (recorder.only.path, recorder.only.header("authorization")) == ("http://cdn.example/1", None)


def test_a_name_that_nobody_knows_is_said_to_be_unknown(names: None) -> None:
    assert "cannot find the host nowhere.example" in fetch("https://nowhere.example/1", proxy="")


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


def test_only_a_private_base_url_lets_downloads_into_private_networks(names: None) -> None:
    assert leads_to_private_network("http://127.0.0.1:8787/v1")
    assert leads_to_private_network("https://inner.example/v1")
    assert not leads_to_private_network("https://good.example/v1")
    assert not leads_to_private_network("https://nowhere.example/v1")
