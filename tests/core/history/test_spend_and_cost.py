"""What requests cost: added up by `spend`, told beforehand by `cost`, by the prices in force."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Dict, List, Optional

import pytest
from harness import Home
from pictures import png
from servers import Recorder

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.api.sizes import size_problem
from gpt_image2.core.base.outcome import Billed, Result, SavedImage, Usage
from gpt_image2.core.ledger.afterwards import record_ended
from gpt_image2.core.ledger.entries import Ending, Opening, Status
from gpt_image2.core.ledger.recording import Ledger

OFFICIAL = "https://api.openai.com/v1"
RELAY = "https://relay.example/v1"
LOOPBACK = "http://127.0.0.1:8000/v1"


def record(
    home: Home,
    cost_usd: Optional[float],
    *,
    base_url: str = OFFICIAL,
    day: str = "2026-11-20",
    billed: Billed = Billed.YES,
    sandbox: bool = False,
    at: str = "",
    **fields: Any,
) -> None:
    """Writes one request of one image and 100 tokens."""
    image = SavedImage("/p/cat.png", 10, "png", 16, 16, "a" * 64)
    result = Result(
        "generate",
        "gpt-image-2",
        (image,),
        Usage(40, 60, 100),
        cost_usd,
        billed,
        200,
        None,
        1,
        70.0,
        sandbox=sandbox,
    )
    request = ImageRequest(prompt="a cat", **fields)
    opening = Opening(base_url, "generate", request, "/p/cat.png", started_at=at or f"{day}T12:00:00.000Z")
    assert record_ended(Ledger(home.state), opening, Ending(Status.SAVED, result), pytest.fail)


def groups(home: Home, *args: str) -> Dict[str, float]:
    """Name and cost of every group."""
    outcome = home.run("spend", *args, "--json", env={"TZ": "UTC"}).json
    return {group["name"]: group["cost_usd"] for group in outcome["groups"]}


@pytest.fixture
def spent(home: Home) -> Home:
    """A home with five requests, two of them to other hosts than OpenAI's."""
    record(home, 0.2, quality="high")
    record(home, 0.05, quality="medium", day="2026-11-21")
    record(home, 0.05, base_url=RELAY, model="gpt-image-2-2026-04-21", day="2026-11-21")
    record(home, 0.4, base_url=LOOPBACK, quality="high", sandbox=True)
    record(home, None, billed=Billed.NO)
    return home


def test_costs_are_added_up_by_day_model_host_and_quality(spent: Home) -> None:
    assert groups(spent) == {"2026-11-20": 0.2, "2026-11-21": 0.1}
    assert groups(spent, "--by", "quality") == {"high": 0.2, "medium": 0.05, "auto": 0.05}
    assert groups(spent, "--by", "host") == {
        "api.openai.com": 0.25,
        "relay.example": 0.05,
        "the sandbox": 0.4,
    }
    assert groups(spent, "--by", "model") == {"gpt-image-2": 0.25, "gpt-image-2-2026-04-21": 0.05}
    assert groups(spent, "--since", "2026-11-21") == {"2026-11-21": 0.1}


def test_the_totals_tell_the_sandbox_from_real_money(spent: Home) -> None:
    outcome = spent.run("spend", "--json").json
    assert (outcome["total_usd"], outcome["sandbox_usd"]) == (0.3, 0.4)
    assert (outcome["requests"], outcome["images"], outcome["tokens"]) == (4, 4, 400)


def test_for_people_the_sandbox_has_a_line_of_its_own_and_is_not_in_the_total(spent: Home) -> None:
    lines = [line.split() for line in spent.run("spend", env={"TZ": "UTC"}).stdout.splitlines()]
    assert lines[0] == ["day", "requests", "images", "tokens", "cost"]
    assert lines[1:5] == [
        ["2026-11-20", "2", "2", "200", "$0.2000"],
        ["2026-11-21", "2", "2", "200", "$0.1000"],
        ["real", "money", "4", "4", "400", "$0.3000"],
        ["sandbox", "1", "1", "100", "$0.4000"],
    ]
    by_host = spent.run("spend", "--by", "host").stdout.splitlines()
    assert by_host[3].split() == ["the", "sandbox", "1", "1", "100", "$0.4000"]
    assert next(line for line in by_host if line.startswith("real money")).endswith("$0.3000")
    assert all("no real money was spent" in told for told in (lines_of(spent), "\n".join(by_host)))


def lines_of(home: Home) -> str:
    return home.run("spend").stdout


def test_where_the_sandbox_made_everything_no_total_says_that_it_was_nothing(home: Home) -> None:
    record(home, 0.4, base_url=LOOPBACK, sandbox=True)
    for by in ("day", "host"):
        told = home.run("spend", "--by", by).stdout
        assert "$0.0000" not in told and "$0.4000" in told and "no real money was spent" in told


def test_today_begins_at_midnight_here(home: Home) -> None:
    now = time.time()
    record(home, 0.1, day=time.strftime("%Y-%m-%d", time.gmtime(now - 2 * 86_400)))
    record(home, 0.2, at=time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now - 1)))
    zone = f"XXX{time.gmtime(now).tm_hour - 12:+d}"  # where it is about noon
    for words in (["--today"], ["--since", "today"]):
        told = home.run("spend", *words, "--json", env={"TZ": zone}).json
        assert (told["total_usd"], told["requests"]) == (0.2, 1)


def test_a_gateway_on_this_machine_costs_real_money(home: Home) -> None:
    record(home, 0.3, base_url=LOOPBACK)
    outcome = home.run("spend", "--json").json
    assert (outcome["total_usd"], outcome["sandbox_usd"]) == (0.3, 0)
    lines = home.run("spend").stdout.splitlines()
    assert next(line for line in lines if line.startswith("total")).endswith("$0.3000")


def test_what_is_not_known_is_counted_apart_and_never_guessed(home: Home) -> None:
    record(home, 0.2)
    record(home, None)
    record(home, None, billed=Billed.MAYBE)
    outcome = home.run("spend", "--json").json
    assert (outcome["total_usd"], outcome["unknown_cost"], outcome["maybe_billed"]) == (0.2, 1, 1)
    text = home.run("spend").stdout
    assert "1 requests were billed at a cost that is not known" in text
    assert "1 requests may have been billed" in text


def test_a_day_is_a_local_one(home: Home) -> None:
    record(home, 0.1)
    outcome = home.run("spend", "--json", env={"TZ": "EST-13"}).json
    assert [group["name"] for group in outcome["groups"]] == ["2026-11-21"]


def test_nothing_spent_is_nothing(home: Home) -> None:
    outcome = home.run("spend", "--json").json
    assert (outcome["total_usd"], outcome["groups"]) == (0, [])


# Before it is paid for


def cost(home: Home, *args: str) -> Optional[Dict[str, float]]:
    """What `cost` tells."""
    run = home.run("cost", *args, "--json")
    assert run.code == 0, run.stderr
    return run.json["cost_usd"]


def test_a_cost_is_that_of_the_table(home: Home) -> None:
    args = ("--size", "1024x1024", "--quality", "high")
    assert cost(home, *args, "--n", "2") == {"low": 0.42144, "high": 0.42144}
    assert cost(home, *args, "--batch") == {"low": 0.10536, "high": 0.10536}
    assert cost(home, *args, "x" * 400) == cost(home, *args, "--prompt", "x" * 400)
    assert cost(home, *args, "x" * 400) == {"low": 0.21122, "high": 0.21122}
    assert cost(home, *args, "--stream", "--partial-images", "3") == {"low": 0.21972, "high": 0.21972}


def test_any_number_of_images_has_a_cost(home: Home) -> None:
    args = ("--size", "1024x1024", "--quality", "low", "--n", "300")
    assert cost(home, *args) == {"low": 1.764, "high": 1.764}
    assert cost(home, *args, "--batch") == {"low": 0.882, "high": 0.882}


def test_input_images_are_priced_at_their_estimate_in_the_high_end(home: Home) -> None:
    (home.cwd / "room.png").write_bytes(png(512, 512))
    args = ("--size", "1024x1024", "--quality", "low")
    alone = cost(home, *args)
    assert alone == {"low": 0.00588, "high": 0.00588}
    tokens = 16 * 16 * 8e-6
    one = cost(home, *args, "--image", "room.png", "--n", "10")
    assert one == {"low": 0.0588, "high": pytest.approx(0.0588 + 10 * tokens)}
    two = cost(home, *args, "--image", "room.png", "--image", "https://example.com/huge.png", "--batch")
    assert two == {"low": 0.00294, "high": pytest.approx((0.00588 + tokens + 1536 * 8e-6) / 2)}
    assert "by an estimate" in home.run("cost", *args, "--image", "room.png").stdout
    assert home.run("cost", "--image", "no.png").code == 2


def test_the_sizes_of_a_ratio_are_legal_from_small_to_large_and_priced(home: Home) -> None:
    told = home.run("cost", "--sizes", "16:9", "--json").json
    sizes = [tuple(map(int, row["size"].split("x"))) for row in told["sizes"]]
    assert all(size_problem(*size) is None for size in sizes)
    assert [w * h for w, h in sizes] == sorted(w * h for w, h in sizes)
    assert {(1280, 720), (1536, 864), (2048, 1152), (2304, 1296), (3840, 2160)} <= set(sizes)
    assert max(abs(w / h / (16 / 9) - 1) for w, h in sizes) < 0.01
    names = {row["name"]: row for row in told["sizes"] if row["name"]}
    assert set(names) == {"16:9", "16:9@2k", "16:9@4k"} and names["16:9@2k"]["size"] == "2048x1152"
    assert names["16:9@4k"]["cost_usd"]["high"] == cost(home, "--size", "4k", "--quality", "high")
    shown = home.run("cost", "--sizes", "1200x630", "--quality", "low").stdout.splitlines()
    assert shown[0].split() == ["size", "megapixels", "low"] and "experimental" in shown[-1]


@pytest.mark.parametrize("args", [["4:1"], ["wide"], ["16:9", "--size", "2k"], ["16:9", "--compare"]])
def test_no_ratio_has_no_sizes(home: Home, args: List[str]) -> None:
    run = home.run("cost", "--sizes", *args)
    assert run.code == 2 and len(run.stderr.splitlines()) == 1


def test_half_the_price_comes_with_a_warning_where_a_host_may_have_no_batch_api(home: Home) -> None:
    args = ("cost", "--batch", "--json")
    for url in (OFFICIAL, LOOPBACK):
        assert home.run(*args, base_url=url).json["warnings"] == []
    (warning,) = home.run(*args, base_url=RELAY).json["warnings"]
    assert RELAY in warning and "Batch API" in warning
    jobs = home.cwd / "jobs.txt"
    jobs.write_text("a cat\n", encoding="utf-8")
    assert warning in home.run("batch", "submit", "jobs.txt", "--dry-run", base_url=RELAY).stderr


def test_an_automatic_quality_costs_from_low_to_high(home: Home) -> None:
    text = home.run("cost", "--size", "1024x1024").stdout
    assert text.startswith("Estimated cost: $0.0059 to $0.2107 (quality auto: from low to high")
    assert cost(home, "--size", "1024x1024") == {"low": 0.00588, "high": 0.21072}


def test_the_cost_of_an_unknown_model_is_unknown(home: Home) -> None:
    assert cost(home, "--model", "gpt-image-9") is None
    assert "unknown" in home.run("cost", "--model", "gpt-image-9").stdout


@pytest.mark.parametrize("args", [("--size", "17x17"), ("--n", "0"), ("a", "--prompt", "b"), ("--n", "many")])
def test_what_could_not_be_sent_has_no_cost(home: Home, args: List[str]) -> None:
    run = home.run("cost", *args)
    assert run.code == 2 and len(run.stderr.splitlines()) == 1


# The prices of another host


def priced(home: Home, prices: object) -> Path:
    """Writes a config file with these prices."""
    path = home.config_home / "gpt-image-2" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"history": True, "prices": prices}, indent=1), encoding="utf-8")
    path.chmod(0o600)
    return path


WHOLE = {"text_in": 1, "image_in": 2, "image_out": 10, "cached_text_in": 0, "cached_image_in": 0}


def test_prices_of_the_config_file_are_used_for_estimates_limits_and_results(
    home: Home, recorder: Recorder
) -> None:
    path = priced(home, {"gpt-image-2": {"image_out": 300}})
    args = ("generate", "a cat", "-o", "cat.png", "--quality", "low", "--size", "square")
    dry = home.run(*args, "--dry-run", "--json", base_url=recorder.base_url)
    assert dry.json["cost_usd"]["high"] == pytest.approx(196 * 300e-6 + 2 * 5e-6)
    refused = home.run(*args, "--max-cost", "0.05", "--json", base_url=recorder.base_url)
    assert refused.json["error"]["code"] == "over_max_cost" and recorder.requests == []
    run = home.run(*args, "--json", base_url=recorder.base_url)
    assert run.json["cost_usd"] == pytest.approx(196 * 300e-6 + 13 * 5e-6)
    assert cost(home, "--size", "square", "--quality", "low") == {"low": 0.0588, "high": 0.0588}
    shown = home.run("config", "--show", "--json").json["settings"]["prices"]
    assert shown == {"value": "list prices, but for gpt-image-2", "source": str(path)}


def test_a_model_that_only_the_config_file_prices_has_a_cost(home: Home, recorder: Recorder) -> None:
    priced(home, {"relay-model": WHOLE})
    args = ("generate", "a cat", "-o", "cat.png", "--model", "relay-model", "--json")
    run = home.run(*args, base_url=recorder.base_url)
    assert run.json["cost_usd"] == pytest.approx(196 * 10e-6 + 13 * 1e-6)
    told = home.run("cost", "--model", "relay-model", "--size", "square", "--quality", "low", "--json").json
    assert told["cost_usd"] == {"low": 0.00196, "high": 0.00196} and "as for gpt-image-2" in told["note"]
    assert cost(home, "--model", "relay-model", "--size", "0x0") is None


@pytest.mark.parametrize(
    ("prices", "line", "words"),
    [
        ({"gpt-image-2": {"image_out": -1}}, 5, "'prices.gpt-image-2.image_out' must be a number"),
        ({"gpt-image-2": {"text_in": 1, "image_out": "30"}}, 6, "image_out' must be a number"),
        ({"gpt-image-2": {"image_out": True}}, 5, "must be a number"),
        ({"gpt-image-2": {"image_out": float("nan")}}, 5, "must be a number"),
        ({"gpt-image-2": {"image_out": 10**400}}, 5, "must be a number"),
        ({"gpt-image-2": {"image_oout": 1}}, 5, "is not known"),
        ({"gpt-image-2": 30}, 4, "'prices.gpt-image-2' must be an object"),
        ({"gpt-image-2": {"image_out": 1}, "relay": {"image_out": -1}}, 8, "'prices.relay.image_out'"),
        ({"relay": {"image_out": 1}}, 4, "lacks text_in, image_in, cached_text_in, cached_image_in"),
        ([], 3, "'prices' must be an object"),
        (30, 3, "'prices' must be an object"),
    ],
)
def test_prices_that_cannot_be_some_are_refused_with_file_line_and_field(
    home: Home, prices: object, line: int, words: str
) -> None:
    path = priced(home, prices)
    run = home.run("config", "--show", "--json")
    assert run.code == 3
    message = run.json["error"]["message"]
    assert message.startswith(f"config {path}, line {line}: field ") and words in message
