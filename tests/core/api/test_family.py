"""What each model of the family accepts is checked before anything is paid for; what is unknown passes."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import pytest
from harness import Home, Run
from pictures import jpeg, png
from servers import Recorder

from gpt_image2.core.api.cost import estimate_cost, output_tokens
from gpt_image2.core.api.gif_svg import fitting_frame, frame_problem

FLARE, SUNBURST = "gpt-image-2.6-flare", "gpt-image-2.6-sunburst"
GIF = ["--model", FLARE, "--format", "gif"]
SVG = ["--model", FLARE, "--format", "svg"]

REFUSED = {
    "gif by an older model": (["--format", "gif"], f"gif needs {FLARE} or {SUNBURST}; add --model {FLARE}"),
    "svg by 2.5": (["--format", "svg", "--model", "gpt-image-2.5-flare"], f"add --model {FLARE}"),
    "xhigh by 2": (["--quality", "xhigh"], "add --model gpt-image-2.5-flare"),
    "max by a dated 2": (["--quality", "max", "--model", "gpt-image-2-2026-04-21"], "--quality max needs"),
    "complexity by 2.5": (["--complexity", "low", "--model", "gpt-image-2.5-sunburst"], f"--model {FLARE}"),
    "one frame": ([*GIF, "--frame-count", "1"], "--frame-count is 1; it must be from 2 to 16"),
    "no frame": ([*GIF, "--frame-count", "0"], "from 2 to 16"),
    "17 frames": ([*GIF, "--frame-count", "17"], "from 2 to 16"),
    "frames of no time": ([*GIF, "--frame-duration-ms", "0"], "from 1 to 655350"),
    "frames for too long": ([*GIF, "--frame-duration-ms", "655351"], "from 1 to 655350"),
    "frames of a png": (["--model", FLARE, "--frame-count", "4"], "add --format gif"),
    "frames of an svg": ([*SVG, "--frame-duration-ms", "90"], "add --format gif"),
    "17 frames by an unknown model": (["--model", "x", "--frame-count", "17"], "from 2 to 16"),
    "a gif as a stream": ([*GIF, "--stream"], "gif cannot have --stream"),
    "a gif with previews": ([*GIF, "--partial-images", "1"], "gif cannot have --partial-images"),
    "a compressed gif": ([*GIF, "--output-compression", "50"], "gif cannot have --output-compression"),
    "a gif to see through": ([*GIF, "--background", "transparent"], "use --format png or --format webp"),
    "frames that are too large": ([*GIF, "--size", "1024x1024"], "a size that fits is 960x960"),
    "frames that are too large by name": ([*GIF, "--size", "2k"], "a size that fits is 1280x720"),
    "frames that are too small": ([*GIF, "--size", "64x64"], "a size that fits is 960x960"),
    "frames off the grid": ([*GIF, "--size", "500x500"], "divisible by 16"),
    "two svgs": ([*SVG, "--n", "2"], "leave --n out"),
    "an svg as a stream": ([*SVG, "--stream"], "svg cannot have --stream"),
    "a compressed svg": ([*SVG, "--output-compression", "100"], "svg cannot have --output-compression"),
    "an author of a png": (["--model", FLARE, "--svg-model", "m"], "add --format svg"),
    "an effort of nobody": ([*SVG, "--svg-effort", "low"], "--svg-effort needs --svg-model"),
    "an empty model": (["--model", ""], "the model is empty"),
    "a field given twice": (["--complexity", "low", "--param", "complexity=low"], "use --complexity"),
}

SENT: Dict[str, Any] = {
    "gif": ([*GIF, "--frame-count", "6"], {"output_format": "gif", "frame_count": 6, "size": "960x960"}),
    "gif of 16": ([*GIF, "--frame-count", "16"], {"size": "720x720"}),
    "gif of a ratio": ([*GIF, "--size", "16:9"], {"size": "1280x720"}),
    "gif of a size": ([*GIF, "--size", "480x480", "--frame-duration-ms", "90"], {"size": "480x480"}),
    "svg": ([*SVG, "--size", "square"], {"output_format": "svg", "size": "1024x1024"}),
    "svg by an author": ([*SVG, "--svg-model", "m"], {"svg": {"model": "m"}}),
    "svg with effort": (
        [*SVG, "--svg-model", "m", "--svg-effort", "max"],
        {"svg": {"model": "m", "reasoning": {"effort": "max"}}},
    ),
    "complexity": (["--model", SUNBURST, "--complexity", "low"], {"complexity": "low"}),
    "xhigh": (["--model", "gpt-image-2.5-flare-2026-09-08", "--quality", "xhigh"], {"quality": "xhigh"}),
    "ids": (["--safety-identifier", "a", "--user", "b"], {"safety_identifier": "a", "user": "b"}),
    "all of it by an unknown model": (
        ["--model", "x", "--format", "gif", "--quality", "max", "--complexity", "none", "--stream"],
        {"output_format": "gif", "quality": "max", "complexity": "none", "stream": True},
    ),
    "a field of another name": (["--param", "safety_identifier=a"], {"safety_identifier": "a"}),
}


def dry_run(home: Home, *args: str) -> Run:
    return home.run("generate", "a cat", "--dry-run", "--json", *args)


@pytest.mark.parametrize(("args", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_model_is_known_to_refuse_is_never_sent(
    home: Home, recorder: Recorder, args: List[str], words: str
) -> None:
    run = home.run("generate", "a cat", *args, base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    assert len(run.stderr.splitlines()) == 1 and words in run.stderr


@pytest.mark.parametrize(("args", "fields"), SENT.values(), ids=SENT.keys())
def test_what_a_model_takes_is_sent_by_the_names_of_the_api(
    home: Home, recorder: Recorder, args: List[str], fields: Dict[str, Any]
) -> None:
    home.run("generate", "a cat", "-o", "cat.png", *args, base_url=recorder.base_url)
    assert recorder.requests
    body = recorder.requests[0].json
    assert {name: body.get(name) for name in fields} == fields


def test_an_edit_sends_the_inner_fields_in_brackets(home: Home, recorder: Recorder) -> None:
    (home.cwd / "in.png").write_bytes(png())
    args = ["--svg-model", "m", "--svg-effort", "low"]
    home.run("edit", "in.png", "a hat", "-o", "hat.svg", *SVG, *args, base_url=recorder.base_url)
    texts = recorder.only.texts()
    assert (texts["svg[model]"], texts["svg[reasoning][effort]"]) == ("m", "low")
    assert "svg" not in texts


def test_a_gif_takes_no_mask(home: Home, recorder: Recorder) -> None:
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / "mask.png").write_bytes(png(alpha=True))
    run = home.run("edit", "in.png", "a hat", "--mask", "mask.png", *GIF, base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    assert "gif cannot have --mask" in run.stderr


@pytest.mark.parametrize(
    ("model", "date"), [("gpt-image-1", "2026-10-23"), ("chatgpt-image-latest", "2026-12-01")]
)
def test_a_model_that_ends_is_sent_with_a_warning_that_says_when(home: Home, model: str, date: str) -> None:
    run = dry_run(home, "--model", model)
    assert f'"model": "{model}"' in run.json["body"]
    assert any(date in warning for warning in run.json["warnings"])


def test_a_value_that_no_known_model_takes_is_refused_and_those_of_this_one_are_named(home: Home) -> None:
    for model, named in (("gpt-image-2", "choose auto, low, medium, high"), (FLARE, "high, xhigh, max")):
        run = dry_run(home, "--model", model, "--quality", "ultra")
        assert run.code == 2 and run.json["error"]["hint"].endswith(named)
    assert dry_run(home, "--model", FLARE, "--complexity", "huge").code == 2


def test_values_of_a_model_that_nobody_knows_pass_with_a_warning(home: Home) -> None:
    run = dry_run(home, "--model", "gpt-image-9", "--quality", "ultra", "--complexity", "huge")
    assert len(run.json["warnings"]) == 3 and '"quality": "ultra"' in run.json["body"]


@pytest.mark.parametrize("frames", range(2, 17))
def test_the_frame_that_is_chosen_is_the_largest_that_was_measured_to_fit(frames: int) -> None:
    edge = 960 if frames <= 9 else 816 if frames <= 12 else 720
    assert fitting_frame(960, 960, frames) == (edge, edge)
    assert frame_problem(edge, edge, frames) is None


@pytest.mark.parametrize("frames", [4, 9, 16])
def test_frames_that_no_sheet_holds_are_refused(frames: int) -> None:
    assert frame_problem(3840, 2160, frames) is not None


def test_2_5_costs_by_its_own_factors() -> None:
    qualities = ("low", "medium", "high", "xhigh", "max")
    tokens = [output_tokens(1024, 1024, quality, "gpt-image-2.5-flare") for quality in qualities]
    assert tokens == [196, 439, 1756, 3122, 7024]
    estimate = estimate_cost("gpt-image-2.5-flare", "", "1024x1024", "auto", 1)
    assert estimate and (estimate.low_usd, estimate.high_usd) == (196 * 30 / 1e6, 7024 * 30 / 1e6)
    assert "from low to max" in estimate.note


@pytest.mark.parametrize("quality", ["low", "high", "auto"])
def test_the_cost_of_2_6_is_unknown_and_no_cap_is_promised(
    home: Home, recorder: Recorder, quality: str
) -> None:
    args = ["--model", FLARE, "--quality", quality]
    cost = home.run("cost", *args, "--json").json
    assert cost["cost_usd"] is None and "3 to 4 times" in cost["note"]
    run = home.run("generate", "a cat", *args, "--max-cost", "5", base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    assert "leave --max-cost out" in run.stderr


def test_one_table_compares_models_and_qualities(home: Home) -> None:
    text = home.run("cost", "--size", "2k", "--compare").stdout.splitlines()
    assert text[0].split() == ["low", "medium", "high", "xhigh", "max"]
    rows = {line.split()[0]: line.split()[1:] for line in text[1:6]}
    assert rows["gpt-image-2"] == ["$0.0047", "$0.0424", "$0.1695", "-", "-"]
    assert rows["gpt-image-2.5-flare"][-1] == rows["gpt-image-2"][2]
    assert rows[FLARE] == ["unknown"] * 5
    found = home.run("cost", "--size", "2k", "--compare", "--batch", "--json").json
    first = found["models"][0]
    assert first["model"] == "gpt-image-2" and list(first["cost_usd"]) == ["low", "medium", "high"]
    assert first["cost_usd"]["high"]["high"] == pytest.approx(0.1695 / 2)


@pytest.mark.parametrize(("size", "tokens"), [("1024x1024", 1024), ("2048x2048", 1536), ("100x100", 16)])
def test_an_input_image_is_in_the_high_end_of_an_estimate_alone(home: Home, size: str, tokens: int) -> None:
    width, height = map(int, size.split("x"))
    (home.cwd / "in.jpg").write_bytes(jpeg(width, height))
    args = ["--quality", "low", "--size", "square", "--dry-run", "--json"]
    plain = home.run("generate", "a hat", *args).json["cost_usd"]
    edit = home.run("edit", "in.jpg", "a hat", *args).json["cost_usd"]
    assert plain["low"] == plain["high"] == edit["low"]
    assert edit["high"] - edit["low"] == pytest.approx(tokens * 8 / 1e6)


@pytest.mark.parametrize(
    ("config", "env", "flag", "model", "source"),
    [
        (None, None, None, "gpt-image-2", "default"),
        (None, "gpt-image-2.5-flare", None, "gpt-image-2.5-flare", "GPT_IMAGE2_MODEL"),
        (SUNBURST, "gpt-image-2.5-flare", None, SUNBURST, "config.json"),
        (SUNBURST, "gpt-image-2.5-flare", FLARE, FLARE, "config.json"),
    ],
)
def test_the_model_is_that_of_the_flag_then_the_config_then_the_environment(
    home: Home, config: Optional[str], env: Optional[str], flag: Optional[str], model: str, source: str
) -> None:
    file = home.config_home / "gpt-image-2" / "config.json"
    file.parent.mkdir(parents=True)
    if config:
        file.write_text(f'{{"model": "{config}"}}', encoding="utf-8")
        file.chmod(0o600)
    home.env.update({} if env is None else {"GPT_IMAGE2_MODEL": env})
    args = [] if flag is None else ["--model", flag]
    assert f'"model": "{model}"' in dry_run(home, *args).json["body"]
    shown = home.run("config", "--show", "--json").json["settings"]["model"]
    assert shown["source"].endswith(source)
    (home.cwd / "jobs.txt").write_text("a cat\n", encoding="utf-8")
    batch = home.run("batch", "run", "jobs.txt", "--dry-run", *args)
    assert ("unknown" in batch.stdout) == ("2.6" in model)
    cost = home.run("cost", *args, "--json").json
    assert cost["model"] == model
