from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import strictyaml
from harness import Run, Sandbox, schema, validator
from PIL import Image, ImageDraw
from skill_user import User

from gpt_image2.core.api.cost import TextPrices
from gpt_image2.core.api.models import Prices
from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.settings.config_file import CONFIG_FIELDS
from gpt_image2.core.settings.poll import Poll

ROOT = Path(__file__).parents[2]
SKILL = ROOT / "skills" / "gpt-image-2"
SKILL_MD = SKILL / "SKILL.md"
REFERENCES = sorted((SKILL / "references").glob("*.md"))
DOCUMENTS = [SKILL_MD, *REFERENCES]
AGENTSKILLS = str(Path(sys.executable).with_name("agentskills"))

sys.path.insert(0, str(ROOT / "tools"))
import cli_reference  # noqa: E402


def blocks_of(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def blocks(language: str) -> Iterator[pytest.param]:
    for path in DOCUMENTS:
        for number, code in enumerate(blocks_of(path, language), 1):
            yield pytest.param(code, id=f"{path.stem}-{number}")


SH_BLOCKS = list(blocks("sh"))


def frontmatter() -> dict:
    return strictyaml.load(SKILL_MD.read_text("utf-8").split("---\n")[1]).data


@pytest.fixture
def desk(user: User) -> User:
    """A user whose working folder has every input that the documents name."""
    (user.cwd / "scripts").symlink_to(SKILL / "scripts")
    for name in ("person.jpg", "hat.png", "room.png", "fox.png", "fox-draft.png", "a.png", "b.png"):
        Image.new("RGB", (1024, 1024), "steelblue").save(user.cwd / name)
    plane = Image.new("RGB", (400, 300), (0, 255, 0))
    ImageDraw.Draw(plane).polygon([(60, 150), (340, 60), (220, 240)], fill=(240, 240, 250))
    plane.save(user.cwd / "plane-on-green.png")
    (user.cwd / "prompt.txt").write_text("A poster", "utf-8")
    (user.cwd / "prompts.txt").write_text(f"A red {user.cwd}\nA blue {user.cwd}\n", "utf-8")
    return user


def run_block(desk: User, code: str) -> Run:
    """Runs it where `python3` is a Python that has the package with all its extras."""
    python3 = desk.cwd / "bin" / "python3"
    if not python3.exists():
        python3.parent.mkdir()
        python3.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python3.chmod(0o755)
    path = f"{python3.parent}:{os.environ['PATH']}"
    return desk.run_program("bash", "-euo", "pipefail", "-c", code, env={"PATH": path})


def test_the_skill_is_valid_by_the_validator_of_agent_skills(user: User) -> None:
    done = user.run_program(AGENTSKILLS, "validate", str(SKILL))
    assert done.code == 0, done.stderr


def test_skill_md_has_under_200_lines() -> None:
    assert len(SKILL_MD.read_text("utf-8").splitlines()) < 200


def test_references_are_short_but_those_that_are_generated() -> None:
    for path in REFERENCES:
        assert path.name == "cli.md" or len(path.read_text("utf-8").splitlines()) < 250, path.name


def test_openclaw_finds_its_metadata_and_no_variable_is_required() -> None:
    openclaw = frontmatter()["metadata"]["openclaw"]
    assert openclaw["emoji"]
    assert openclaw["requires"] == {"bins": ["curl"], "anyBins": ["python3", "python"]}
    assert openclaw["primaryEnv"] in {variable["name"] for variable in openclaw["envVars"]}
    assert {variable["required"] for variable in openclaw["envVars"]} == {"false"}


def test_every_key_of_the_frontmatter_stands_on_one_line_or_in_a_block() -> None:
    head = SKILL_MD.read_text("utf-8").split("---\n")[1]
    assert not re.search(r":\s*[\[{|>]", head)


def test_codex_finds_a_name_a_short_description_and_a_prompt_that_calls_the_skill() -> None:
    data = strictyaml.load((SKILL / "agents" / "openai.yaml").read_text("utf-8")).data
    interface = data["interface"]
    assert interface["display_name"]
    assert 25 <= len(interface["short_description"]) <= 64
    assert "$gpt-image-2" in interface["default_prompt"]


def test_every_reference_is_opened_by_when_to_read_it() -> None:
    text = SKILL_MD.read_text("utf-8")
    for path in REFERENCES:
        assert "Read this when " in "".join(path.read_text("utf-8").splitlines(keepends=True)[:4]), path.name
        assert f"- [references/{path.name}](references/{path.name}): read this when " in text


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_of_the_skill_and_a_heading_in_it(path: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text("utf-8")):
        name, _, anchor = target.partition("#")
        linked = (path.parent / name).resolve() if name else path
        assert linked.is_file(), target
        assert SKILL in linked.parents, target
        headings = re.findall(r"^#+ (.+)$", linked.read_text("utf-8"), re.MULTILINE)
        assert not anchor or anchor in {heading.lower().replace(" ", "-") for heading in headings}, target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_flag_and_command_that_is_named_exists(path: Path) -> None:
    text = path.read_text("utf-8")
    names = {name for name, _ in cli_reference.commands()}
    flags = {flag for name in names for flag in cli_reference.flags_of(name)}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) <= {*flags, "--help"}
    assert set(re.findall(r"gpt_image2\.py ([a-z][a-z-]*)", text)) <= names


def test_the_exit_codes_of_skill_md_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", SKILL_MD.read_text("utf-8"), re.MULTILINE)
    assert sorted(int(code) for row in rows for code in row.split(",")) == sorted(map(int, ExitCode))


@pytest.mark.parametrize("code", SH_BLOCKS)
def test_every_shell_block_runs_as_it_stands_and_saves_images_of_the_format_in_their_names(
    desk: User, code: str
) -> None:
    done = run_block(desk, code)
    assert done.code == 0, done.stderr
    told = re.findall(r"^Saved: (.+) \(\d+ KB\)$", done.stdout, re.MULTILINE)
    saving = [line for line in code.splitlines() if " -o " in line and "--dry-run" not in line]
    assert len(told) >= len(saving)
    for path in map(Path, told):
        with Image.open(path) as image:
            image.load()
            assert (
                image.format == {".png": "PNG", ".jpg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}[path.suffix]
            )


def test_config_files_in_the_documents_are_valid_by_the_schema_of_the_file_and_work(desk: User) -> None:
    configs = [
        json.loads(code) for path in DOCUMENTS for code in blocks_of(path, "json") if "base_url" in code
    ]
    assert len(configs) > 1
    for number, config in enumerate(configs):
        validator("config-file").validate(config)
        path = desk.cwd / f"{number}.json"
        path.write_text(json.dumps(config), "utf-8")
        path.chmod(0o600)
        env: dict[str, str | None] = dict.fromkeys(
            ("RELAY_KEY", "RELAY_API_KEY", "RELAY_TOKEN"), "sk-relay-0123456789"
        )
        env["GPT_IMAGE2_BASE_URL"] = None
        shown = desk.run("config", "--show", "--config", str(path), "--json", env=env)
        assert shown.code == 0 and shown.json["warnings"] == []


def test_the_schema_of_the_config_file_knows_the_fields_that_the_program_reads() -> None:
    host = schema("config-file")["$defs"]["host"]["properties"]
    assert {*host, "profile", "profiles"} == set(CONFIG_FIELDS)
    assert set(host["poll"]["properties"]) == set(Poll.__match_args__)
    prices = host["prices"]["additionalProperties"]["properties"]
    assert set(prices) == {*Prices.__match_args__, *TextPrices.__match_args__}
    for wrong in (
        {"base_uri": "https://relay.example"},
        {"profiles": {"a": {"profiles": {}}}},
        {"stream": "yes"},
    ):
        assert list(validator("config-file").iter_errors(wrong)), wrong


def test_doctor_tells_of_the_optional_parts_that_are_there(desk: User) -> None:
    told = run_block(desk, "python3 scripts/gpt_image2.py doctor").stdout
    assert re.search(r"extras +installed: pictures, sandbox, studio, mcp", told)


def test_the_recipe_for_many_prompts_pays_for_nothing_twice_when_it_is_run_again(
    desk: User, sandbox: Sandbox
) -> None:
    (recipe,) = [code for code in blocks_of(SKILL_MD, "sh") if "batch run" in code]
    for _ in range(2):
        assert run_block(desk, recipe).code == 0
    assert len(list((desk.cwd / "images").glob("*.png"))) == 2
    for prompt in (desk.cwd / "prompts.txt").read_text("utf-8").splitlines():
        assert sandbox.log(prompt)["hits"] == 1


@pytest.mark.parametrize("columns", ["20", "400"])
def test_the_generated_parts_are_fresh_whatever_the_width_of_the_terminal(user: User, columns: str) -> None:
    done = user.run_program(
        sys.executable, str(ROOT / "tools" / "generate_docs.py"), "--check", env={"COLUMNS": columns}
    )
    assert done.code == 0, done.stderr
