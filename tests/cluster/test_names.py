"""How jobs and their images are named."""

from __future__ import annotations

import pytest
from batching import Painter
from worksites import Site


def test_a_job_without_an_id_is_the_same_wherever_one_with_an_id_stands(
    local_site: Site, painter: Painter
) -> None:
    named = {"prompt": "a cat", "id": "third"}
    local_site.write("a cat", "a cat", named)
    local_site.run(painter.base_url)
    local_site.write(named, "a cat", "a cat")
    again = local_site.run(painter.base_url)
    assert (again.json["done"], painter.hits) == (3, {"a cat": 3})


@pytest.mark.parametrize(
    "output",
    [
        ".",
        "a" * 240 + ".png",
        "\N{CAT}" * 60 + ".png",
        "b" * 240 + "/x.png",
        "a/" * 300 + "x.png",
        "cat#1",
        "cat#12/x.png",
        "a\tb.png",
        "blank ",
    ],
)
def test_a_name_that_a_store_may_not_take_is_refused_before_anything_is_paid_for(
    local_site: Site, painter: Painter, output: str
) -> None:
    local_site.write({"prompt": "one", "output": output})
    run = local_site.run(painter.base_url)
    assert (run.code, run.json["error"]["code"], painter.hits) == (2, "invalid_jobs", {})


@pytest.mark.parametrize("outputs", [("a.png", "a.png/b.png"), ("x/y/b.png", "x/y"), ("x/y/b.png", "x")])
def test_an_image_and_a_folder_of_one_name_are_refused(
    local_site: Site, painter: Painter, outputs: tuple[str, str]
) -> None:
    local_site.write(*({"prompt": output, "output": output} for output in outputs))
    run = local_site.run(painter.base_url)
    assert (run.code, painter.hits) == (2, {})
    assert "of that name" in run.json["error"]["message"]


def test_names_in_one_folder_are_as_they_were_written(local_site: Site, painter: Painter) -> None:
    names = ["x/a.png", "x/b.png", "50%.png", "cat#1.png", "a b~{c}.png", "\N{CAT}.png"]
    local_site.write(*({"prompt": name, "output": name} for name in names))
    assert local_site.run(painter.base_url).code == 0
    assert set(local_site.images) == {f"images/{name}" for name in names}
