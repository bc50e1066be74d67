"""Images that come as addresses: fetched without the key, bounded, nowhere private, never paid for twice."""

from __future__ import annotations

import json
import shutil
import socket
import threading
from typing import Any, Callable, Dict, List, Optional

import pytest
from faulty import Exchange, serving
from harness import KEY, Home, Run, Sandbox
from pictures import png
from servers import WAIT_S, Answer, Recorder, Request, recording

from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.calls import download
from gpt_image2.core.calls.download import Downloader, DownloadFailed
from gpt_image2.core.wire.addresses import is_public
from gpt_image2.core.wire.curl import Curl
from gpt_image2.core.wire.messages import HttpRequest, Received, ResponseHead, TransferEnd

ONE, TWO, THREE = (png(noise=bytes([number])) for number in (1, 2, 3))


def generate(home: Home, server: Any, *more: str, n: int = 1) -> Run:
    args = ["generate", "a cat", "-o", "cat.png", "--json", "--n", str(n), *more]
    return home.run(*args, base_url=server.base_url)


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
    run = generate(home, recorder)
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
    run = generate(home, recorder)
    assert (run.code, run.pictures) == (0, [ONE]), run.stdout


def test_redirects_are_followed_without_the_key(home: Home, recorder: Recorder) -> None:
    files = {
        "/1": [redirect("/2")],
        "/2": [redirect(f"{recorder.root}/3?x=1")],
        "/3?x=1": [redirect("4.png")],
        "/4.png": [image(ONE)],
    }
    addressed(recorder, f"{recorder.root}/1", files=files)
    run = generate(home, recorder)
    assert (run.code, run.pictures, paid(recorder)) == (0, [ONE], 1)
    assert KEY not in str([request.headers for request in recorder.requests[1:]])


@pytest.mark.parametrize("place", ["/1", "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://x/", "data:,x"])
def test_redirects_that_lead_nowhere_end(place: str, home: Home, recorder: Recorder) -> None:
    addressed(recorder, f"{recorder.root}/1", files={"/1": [redirect(place)]})
    run = generate(home, recorder)
    assert (run.code, run.json["billed"], paid(recorder)) == (7, "yes", 1)
    assert run.json["error"]["code"] == "download_failed"
    assert len(recorder.requests) <= 8


def test_what_cannot_be_fetched_leaves_its_address_in_the_error_and_the_answer_on_disk(
    home: Home, recorder: Recorder
) -> None:
    gone, good = f"{recorder.root}/gone.png", f"{recorder.root}/good.png"
    addressed(recorder, gone, good, files={"/gone.png": [Answer(404)], "/good.png": [image(ONE)]})
    run = generate(home, recorder, n=2)
    (kept,) = home.rescued.glob("*answer.json")
    assert (run.code, run.json["billed"], run.pictures) == (9, "yes", [ONE])
    assert gone in run.json["error"]["message"] and "HTTP 404" in run.json["error"]["message"]
    assert str(kept) in run.json["error"]["hint"]
    assert json.loads(kept.read_text())["data"][0]["url"] == gone
    assert paid(recorder) == 1


def test_a_download_is_bounded_by_max_download(home: Home, recorder: Recorder) -> None:
    large = ONE + b"\0" * 2_000_000
    addressed(recorder, f"{recorder.root}/1.png", files={"/1.png": [image(large)]})
    run = generate(home, recorder, "--max-download", "1")
    assert run.code == 7
    assert "--max-download" in run.json["error"]["message"]
    assert len(recorder.requests) == 2
    assert list(home.cwd.iterdir()) == [] and home.leftovers() == []
    run = generate(home, recorder, "--max-download", "3")
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
        run = generate(home, server)
    assert (run.code, run.pictures, server.hits) == (0, [ONE], 1)


def test_a_file_that_does_not_end_as_an_image_ends_is_saved_with_a_warning(
    home: Home, recorder: Recorder
) -> None:
    """A server that ends an answer early without saying how long it was to be: curl sees nothing wrong."""
    addressed(recorder, f"{recorder.root}/1.png", files={"/1.png": [image(ONE[:-20])]})
    run = generate(home, recorder)
    assert (run.code, run.pictures) == (0, [ONE[:-20]])
    assert any("may be cut" in warning for warning in run.json["warnings"])


def test_a_download_that_is_no_image_is_kept_aside_and_its_place_is_said(
    home: Home, recorder: Recorder
) -> None:
    page = Answer(200, b"<html>please log in</html>", ())
    addressed(recorder, f"{recorder.root}/1.png", files={"/1.png": [page]})
    run = generate(home, recorder)
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
    run = generate(home, recorder, n=2)
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
        run = generate(home, server, n=2)
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
    run = generate(home, recorder, "--stream")
    assert (run.code, run.pictures, run.json["warnings"]) == (0, [TWO], [])


def test_a_curl_that_is_gone_before_the_address_is_fetched_costs_neither_the_answer_nor_its_address(
    home: Home, recorder: Recorder
) -> None:
    programs = home.cwd.parent / "programs"
    programs.mkdir()
    curl = programs / "curl"
    curl.symlink_to(str(shutil.which("curl")))
    url = f"{recorder.root}/1.png"

    def answer(request: Request) -> Answer:
        curl.unlink()
        return Answer(body=json.dumps({"data": [{"url": url}]}).encode())

    recorder.answer = answer
    run = home.run("generate", "a cat", "--json", base_url=recorder.base_url, env={"PATH": str(programs)})
    assert (run.code, run.json["billed"], paid(recorder)) == (7, "yes", 1), run.stdout
    assert url in run.json["error"]["message"]
    (kept,) = home.rescued.glob("*answer.json")
    assert url in kept.read_text()


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


class NoCurl(Curl):
    """Stands for curl: notes what would be asked for, redirects as told, and fails for the rest."""

    def __init__(self) -> None:
        super().__init__({}, (), StopSwitch())
        self.asked: List[HttpRequest] = []
        self.redirects: Dict[str, str] = {}

    def receive(self, request: HttpRequest, take: Any, on_head: Any = None, salvage: Any = None) -> Received:
        self.asked.append(request)
        if request.url not in self.redirects:
            raise DownloadFailed("stopped here by the test")
        head = ResponseHead(302, {"location": self.redirects[request.url]})
        on_head(head)
        return Received(head, TransferEnd(0, "", sent=True), 0, 0.0)


@pytest.fixture
def curl(monkeypatch: pytest.MonkeyPatch) -> NoCurl:
    """What stands for curl, while names resolve as told."""
    resolver = addresses(
        good_example=["93.184.216.34"],
        both_example=["93.184.216.34", "127.0.0.1"],
        inner_example=["10.0.0.7"],
        six_example=["2606:2800:220:1::1"],
        nat_example=["64:ff9b::5db8:d822"],
        nat_inner=["64:ff9b::a00:1"],
    )
    monkeypatch.setattr("socket.getaddrinfo", resolver)
    return NoCurl()


def fetch(
    curl: NoCurl,
    url: str,
    env: Optional[Dict[str, str]] = None,
    allow_private: bool = False,
    base_url: str = "",
) -> str:
    """Why an address was not fetched."""
    curl.env = env or {}
    downloader = Downloader(curl, allow_private=allow_private, base_url=base_url)
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
        "http://127.1/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://2130706433/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "http://127\u30020\u30020\u30021/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://internal.localhost:8080/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://100.100.100.200/latest/meta-data",
        "http://168.63.129.16/machine",
        "http://[fd00:ec2::254]/",
        "http://[::7f00:1]/",
        "http://[fec0::1]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://printer.local/",
        "http://good.example@127.0.0.1/",
    ],
)
def test_a_public_api_cannot_lead_into_a_private_network(url: str, curl: NoCurl) -> None:
    assert "private network" in fetch(curl, url)
    assert "private network" in fetch(
        curl, url, {"https_proxy": "http://proxy:1", "http_proxy": "http://proxy:1"}
    )
    assert curl.asked == []
    assert "stopped here" in fetch(curl, url, allow_private=True)


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
def test_what_is_no_plain_address_is_never_given_to_curl(url: str, curl: NoCurl) -> None:
    assert "address" in fetch(curl, url)
    assert "address" in fetch(curl, url, allow_private=True)
    assert curl.asked == []


@pytest.mark.parametrize(
    "url, plain, pinned",
    [
        ("https://good.example/a.png", None, "good.example:443:93.184.216.34"),
        (
            "http://GOOD.example.:8080/a.png",
            "http://good.example:8080/a.png",
            "good.example:8080:93.184.216.34",
        ),
        ("https://six.example/", None, "six.example:443:[2606:2800:220:1::1]"),
        ("https://nat.example/", None, "nat.example:443:[64:ff9b::5db8:d822]"),
        ("https://93.184.216.34/", None, None),
        ("https://0x5DB8D822/", "https://93.184.216.34/", None),
        ("https://[2606:2800:0220:0001:0:0:0:1]/", "https://[2606:2800:220:1::1]/", None),
        ("https://\uff27ood.example/", "https://good.example/", "good.example:443:93.184.216.34"),
    ],
)
def test_a_public_name_is_pinned_to_the_address_that_was_checked_in_the_spelling_that_was_checked(
    url: str, plain: Optional[str], pinned: Optional[str], curl: NoCurl
) -> None:
    assert "stopped here" in fetch(curl, url)
    (request,) = curl.asked
    assert (request.url, request.resolve) == (plain or url, pinned)
    assert "uthorization" not in str(request.headers)


def test_a_name_that_only_the_proxy_knows_goes_to_the_proxy(curl: NoCurl) -> None:
    assert "stopped here" in fetch(curl, "https://cdn.example/1", {"HTTPS_PROXY": "http://proxy:1"})
    assert len(curl.asked) == 1


def test_a_name_that_nobody_knows_is_said_to_be_unknown(curl: NoCurl, monkeypatch: Any) -> None:
    monkeypatch.setattr(download, "backoff_s", lambda retry: 0.0)
    assert "cannot find the host nowhere.example" in fetch(curl, "https://nowhere.example/1")
    assert curl.asked == []


def test_every_step_of_a_chain_of_redirects_is_checked(curl: NoCurl) -> None:
    curl.redirects = {
        "https://good.example/1": "https://good.example/2",
        "https://good.example/2": "http://127.0.0.1/",
    }
    assert "private network" in fetch(curl, "https://good.example/1")
    assert len(curl.asked) == 2


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


@pytest.mark.parametrize(
    "url, is_open",
    [
        ("http://127.0.0.1:8787/files/a.png", True),
        ("/files/a.png", True),
        ("a.png", True),
        ("//127.0.0.1:8787/a.png", True),
        ("http://localhost:8787/a.png", True),
        ("http://127.0.0.1:8788/a.png", False),
        ("//127.0.0.1/a.png", False),
        ("http://127.0.0.1/a.png", False),
        ("http://10.0.0.7:8787/a.png", False),
        ("http://inner.example:8787/a.png", False),
    ],
)
def test_a_server_on_this_machine_opens_nothing_but_itself(url: str, is_open: bool, curl: NoCurl) -> None:
    said = fetch(curl, url, base_url="http://127.0.0.1:8787/v1")
    assert ("stopped here" if is_open else "private network") in said
    assert len(curl.asked) == is_open


def test_a_server_in_a_private_network_opens_nothing_but_itself(curl: NoCurl) -> None:
    base_url = "https://inner.example/v1"
    assert "stopped here" in fetch(curl, "https://INNER.example:443/a.png", base_url=base_url)
    assert "private network" in fetch(curl, "https://inner.example:8443/a.png", base_url=base_url)
    assert "private network" in fetch(curl, "https://10.0.0.7/a.png", base_url=base_url)


def test_a_name_that_means_the_inside_does_not_go_to_the_proxy(curl: NoCurl, monkeypatch: Any) -> None:
    monkeypatch.setattr(download, "backoff_s", lambda retry: 0.0)
    env = {"https_proxy": "http://proxy:1", "http_proxy": "http://proxy:1"}
    for name in ("internal.localhost", "metadata.google.internal", "nas.local", "router.home.arpa"):
        assert "private network" in fetch(curl, f"http://{name}/", env)
    assert "cannot find" in fetch(curl, "https://intranet/", env)
    assert curl.asked == []


def test_a_name_that_nobody_knows_does_not_go_out_where_no_proxy_names_it(
    curl: NoCurl, monkeypatch: Any
) -> None:
    monkeypatch.setattr(download, "backoff_s", lambda retry: 0.0)
    env = {"HTTPS_PROXY": "http://proxy:1", "NO_PROXY": "cdn.example"}
    assert "cannot find" in fetch(curl, "https://cdn.example/1", env)
    assert curl.asked == []


# Which time, how many, and when the key goes along


def test_a_download_that_stalls_ends_with_the_timeout_of_the_call_and_few_are_begun(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        if exchange.path.endswith(".png"):
            exchange.start(100_000)
            exchange.send(ONE[:8])
            ended.wait(WAIT_S)
        else:
            urls = [f"{server.root}/{number}.png" for number in range(50)]
            exchange.answer(json.dumps({"data": [{"url": url} for url in urls]}).encode())

    ended = threading.Event()
    with serving(talk) as server:
        run = generate(home, server, "--timeout", "2")
        ended.set()
        assert len(server.exchanges) < 10
    assert (run.code, run.json["billed"], server.hits) == (7, "yes", 1)
    assert run.json["elapsed_s"] < 20
    assert "--timeout" in run.json["error"]["message"]


def test_only_as_many_addresses_are_fetched_as_images_were_asked_for_and_a_few(
    home: Home, recorder: Recorder
) -> None:
    pictures = {f"/{number}.png": [image(png(noise=bytes([number])))] for number in range(50)}
    addressed(recorder, *(recorder.root + path for path in pictures), files=pictures)
    run = generate(home, recorder, n=2)
    fetched = [request for request in recorder.requests if request.method == "GET"]
    assert (run.code, len(fetched)) == (0, 2 + download.MAX_FURTHER_ADDRESSES)
    assert any("50 addresses" in warning for warning in run.json["warnings"])


@pytest.mark.parametrize("refusal", [401, 403])
def test_the_key_goes_along_to_the_server_itself_once_it_asks_for_it(
    refusal: int, home: Home, recorder: Recorder
) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(body=json.dumps({"data": [{"url": "/my cat (1).png"}]}).encode())
        return image(ONE) if KEY in str(request.headers) else Answer(refusal)

    recorder.answer = answer
    run = generate(home, recorder)
    assert (run.code, run.pictures) == (0, [ONE])
    assert [request.path for request in recorder.requests[1:]] == ["/my%20cat%20(1).png"] * 2
    assert KEY not in str(recorder.requests[1].headers)


def test_the_key_goes_to_no_other_origin_whatever_it_asks_for(home: Home, recorder: Recorder) -> None:
    with recording() as other:
        other.answer = lambda request: Answer(401)
        addressed(recorder, f"{recorder.root}/1", files={"/1": [redirect(f"{other.root}/2")]})
        for host in ("127.0.0.1", "localhost"):
            recorder.requests.clear()
            usual = recorder.answer
            url = f"{recorder.root}/1".replace("127.0.0.1", host)
            body = json.dumps({"data": [{"url": url}]}).encode()
            recorder.answer = lambda request: (
                Answer(body=body)  # noqa: B023
                if request.method == "POST"
                else Answer(401)
                if "localhost" in str(request.headers)
                else usual(request)  # noqa: B023
            )
            assert generate(home, recorder).code == 7
            gets = [request for request in recorder.requests if request.method == "GET"]
            assert gets and KEY not in str([request.headers for request in gets])
            recorder.answer = usual
        assert other.requests == [], "it is in no way the server's own"


@pytest.mark.parametrize("url", ["/files/a.png", "files/a.png", "a.webp?x=1", "/img/my cat (1).png"])
def test_a_relative_address_is_taken_from_the_base_url(url: str, home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: (
        image(ONE)
        if request.method == "GET"
        else Answer(body=json.dumps({"data": [{"url": url, "b64_json": None}]}).encode())
    )
    run = generate(home, recorder)
    assert (run.code, run.pictures) == (0, [ONE]), run.stdout
    root = "" if url.startswith("/") else "/v1/"
    assert recorder.requests[1].path == root + url.replace(" ", "%20")


@pytest.mark.parametrize("url", ["", "none", "see the docs", "a/b/c", "#x", "?page=2", "null.", "<a.png>"])
def test_what_is_no_address_beside_no_image_is_not_fetched(url: str, home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: Answer(body=json.dumps({"data": [{"url": url}]}).encode())
    assert generate(home, recorder).code == 6
    assert len(recorder.requests) == 1
