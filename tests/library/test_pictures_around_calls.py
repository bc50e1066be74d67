"""What a program wishes for pictures around its calls: the same as a command line."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import numpy as np
import pytest
from asking import client
from canvases import photo
from harness import Home
from painting import paint, sent_files
from PIL import Image
from servers import Answer, Recorder, Request, images

import gpt_image2
from gpt_image2.core.commands.picture_flags import WISH_FIELDS, WISHES
from gpt_image2.library.call import EDIT_NAMES, GENERATE_NAMES, STREAM_NAMES

AREAS = {"rect": [100, 60, 120, 90]}


@pytest.fixture
def model(recorder: Recorder) -> Recorder:
    """A model that paints."""
    paint(recorder)
    return recorder


def test_every_wish_is_an_argument() -> None:
    for_edits = {"areas", *(wish.name for wish in WISHES if wish.is_for_edits)}
    assert set(WISH_FIELDS) <= set(EDIT_NAMES) & set(STREAM_NAMES)
    assert set(WISH_FIELDS) & set(GENERATE_NAMES) == set(WISH_FIELDS) - for_edits
    assert set(WISH_FIELDS) <= gpt_image2.Job.__annotations__.keys()


def test_an_edit_in_memory_keeps_what_is_outside_and_leaves_no_file(home: Home, model: Recorder) -> None:
    room = Image.fromarray(photo(320, 240))
    result = client(home, model.base_url).edit(room, "a sofa", areas=AREAS, keep_outside=True)
    assert result.image.path is None and result.image.derivation is not None
    assert result.image.derivation.method == "keep-outside"
    assert np.array_equal(np.asarray(result.image.pil())[160:], photo(320, 240)[160:])
    assert sent_files(model.only)["mask"].size == (320, 240)
    assert list(home.rescued.glob("*")) == [] and home.leftovers() == []


def test_an_exact_size_is_saved_in_the_file_that_is_named(home: Home, model: Recorder) -> None:
    output = home.cwd / "card.jpg"
    result = client(home, model.base_url).generate("a", exact="600x315", under="30KB", output=output)
    assert (result.image.path, result.image.width, result.image.format) == (output, 600, "jpeg")
    assert sorted(path.name for path in home.cwd.iterdir()) == ["card.jpg", "card.model.png"]


@pytest.mark.parametrize("cap, calls", [(None, 1), (9.0, 2)])
def test_a_second_call_is_made_where_the_sum_covers_both(
    home: Home, recorder: Recorder, cap: float | None, calls: int
) -> None:
    def answer(request: Request) -> Answer:
        is_again = "background that" in str(request.json["prompt"])
        pixels = np.full((64, 64, 3), (0, 255, 0), np.uint8) if is_again else photo(64, 64)
        pixels[20:40, 20:40] = (120, 60, 40)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return images(file.getvalue())

    recorder.answer = answer
    result = client(home, recorder.base_url).generate("a stone", cutout=True, quality="low", max_cost_usd=cap)
    assert (len(recorder.requests), result.attempts) == (calls, calls)
    assert any("`max_cost_usd` 0." in warning for warning in result.warnings) == (calls == 1)


def test_streams_and_tasks_of_asyncio_have_them_too(home: Home, model: Recorder) -> None:
    ours = client(home, model.base_url)
    *_, end = ours.stream("a cat", exact="600x315")
    assert isinstance(end, gpt_image2.Finished) and end.result.image.width == 600

    async def generate() -> gpt_image2.Result:
        env = {**home.env, "GPT_IMAGE2_API_KEY": "sk-test"}
        async with gpt_image2.AsyncClient(base_url=model.base_url, env=env) as many:
            return await many.generate("a cat", exact="600x315")

    assert asyncio.run(generate()).image.width == 600


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a size of another type": ({"exact": (600, 315)}, "`exact` must be a text"),
    "no bool": ({"cutout": "yes"}, "`cutout` must be True or False"),
    "no choice": ({"exact": "600x315", "fit": "bend"}, "fit must be crop or pad or stretch"),
    "two methods": ({"cutout": True, "glass": True}, "`cutout` and `glass` are two methods"),
    "no shape": ({"areas": {"circle": [1, 2, 3, 4]}}, "areas must be"),
    "no mask": ({"keep_outside": True}, "needs a mask"),
    "no wait": ({"exact": "600x315", "no_wait": True}, "before there is an image"),
    "both prices": ({"glass": True, "max_cost_usd": 0.01, "quality": "low"}, "both calls together"),
}


@pytest.mark.parametrize("options, said", WRONG.values(), ids=WRONG)
def test_what_cannot_be_is_refused_before_anything_is_sent(
    home: Home, model: Recorder, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(gpt_image2.UsageError) as caught:
        client(home, model.base_url).edit(Image.fromarray(photo(320, 240)), "a sofa", **options)
    assert said in str(caught.value)
    assert "--" not in f"{caught.value} {caught.value.hint}"
    assert model.requests == []
