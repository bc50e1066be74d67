"""What a jobs file may be besides lines of UTF-8 (an array, UTF-16, lines with comments), and what not."""

from __future__ import annotations

import json
from typing import List

import pytest
from batching import Painter, command, write_jobs
from harness import Home, Run


def run_file(home: Home, painter: Painter, content: bytes, *flags: str) -> Run:
    path = write_jobs(home)
    path.write_bytes(content)
    return home.run(*command(path, "--concurrency", "1", *flags), base_url=painter.base_url)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_file_that_is_one_json_array_holds_a_job_in_each_element(
    home: Home, painter: Painter, mark: bytes
) -> None:
    content = json.dumps([{"prompt": "fox\nred"}, "whale", {"prompt": "n", "n": 2}], indent=2)
    run = run_file(home, painter, mark + content.encode())
    assert run.code == 0, run.stderr
    assert painter.prompts == ["fox\nred", "whale", "n"]
    assert [row["line"] for row in run.json["rows"]] == [2, 5, 6]


def test_an_array_may_stand_on_one_line_that_is_longer_than_a_job(home: Home, painter: Painter) -> None:
    jobs = [{"prompt": "x" * 30_000, "id": str(number)} for number in range(40)]
    content = json.dumps([*jobs, {"prompt": "end"}]).encode()
    assert len(content) > 1 << 20
    run = run_file(home, painter, content, "--dry-run")
    assert (run.code, run.json["jobs"]) == (0, 41)


@pytest.mark.parametrize(
    "content, said",
    [
        ('[\n{"prompt": "a"},\n]', "line 3"),
        ('[\n{"prompt": "a"}\n{"prompt": "b"}]', "line 3: Expecting ',' or ']'"),
        ('[{"prompt": "a"}]\n[{"prompt": "b"}]', "line 2: it is a JSON array"),
        ('[\n{"prompt": "a"}\n]\nmore', "line 4: Extra data"),
        ('[\n{"prompt": "a"},\n7\n]', "line 3: it is a number"),
        ('[\n{"prompt": "a"}', "no valid JSON array"),
        ("[", "no valid JSON array"),
        ("prompt,size\na cat,1024x1024\n", "line 1 is the header of a table (CSV)"),
        ('"id";"prompt";"out"\n1;a cat;a.png\n', "line 1 is the header of a table (CSV)"),
        ("# mine\nprompt\tquality\na cat\tlow\n", "line 2 is the header of a table (CSV)"),
    ],
)
def test_what_is_no_array_and_no_lines_is_refused_with_its_line_and_paints_nothing(
    home: Home, painter: Painter, content: str, said: str
) -> None:
    run = run_file(home, painter, content.encode())
    assert (run.code, run.json["error"]["code"]) == (2, "invalid_jobs")
    assert said in run.json["error"]["message"]
    assert run.json["error"]["hint"]
    assert not painter.server.requests


@pytest.mark.parametrize(
    "content, said",
    [
        ("- prompt: a cat\n", "line 1: it is YAML"),
        ("prompt: a cat\n---\n", "line 2: it is YAML"),
        ('prompt = "a cat"\n', "it is TOML or INI"),
        ("; mine\n", "it is TOML or INI"),
        ("-- mine\n", "it is a comment"),
        ("<!DOCTYPE html><title>404</title>\n", "it is XML or HTML"),
        ('a cat\n<job prompt="a dog"/>\n', "line 2: it is XML or HTML"),
        ("a cat\n| prompt | size |\n|---|---|\n", "line 2: it is a row of a table"),
        ("a cat\ra dog\r", "it is several lines"),
        ("a cat\u2028a dog\n", "it is several lines"),
    ],
)
def test_lines_of_another_format_are_refused_and_as_json_strings_they_are_prompts(
    home: Home, painter: Painter, content: str, said: str
) -> None:
    run = run_file(home, painter, content.encode())
    assert (run.code, run.json["error"]["code"]) == (2, "invalid_jobs")
    assert said in run.json["error"]["message"] and "JSON string" in run.json["error"]["message"]
    assert not painter.server.requests
    run = run_file(home, painter, json.dumps(content.strip()).encode())
    assert (run.code, painter.prompts) == (0, [content.strip()])


def test_prompts_that_only_begin_like_another_format_are_painted(home: Home, painter: Painter) -> None:
    lines = ["Prompt: a cat", "<3 a heart", "- a fox", "|a bar", "— a dash", "a - prompt: b"]
    run = run_file(home, painter, "\n".join(lines).encode())
    assert (run.code, painter.prompts) == (0, lines)


def test_a_table_is_refused_although_lines_that_are_no_jobs_may_be_skipped(
    home: Home, painter: Painter
) -> None:
    run = run_file(home, painter, b"prompt,size\na cat,1024x1024\n", "--skip-invalid")
    assert run.code == 2
    assert not painter.server.requests


def test_comments_are_passed_over_and_a_prompt_that_begins_so_is_a_json_string(
    home: Home, painter: Painter
) -> None:
    lines: List[str] = ["# pictures", '{"prompt": "fox"}', "  // more", '"# a hash"', '"// two strokes"', "#"]
    run = run_file(home, painter, "\n".join(lines).encode())
    assert run.code == 0, run.stderr
    assert painter.prompts == ["fox", "# a hash", "// two strokes"]
    assert [row["line"] for row in run.json["rows"]] == [2, 4, 5]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_a_file_in_another_encoding_is_read_by_its_mark(home: Home, painter: Painter, encoding: str) -> None:
    text = '# größer\r\n{"prompt": "ein Fuchs, größer"}\r\nein 🦊\r\n'
    if encoding.endswith("e"):
        text = f"\ufeff{text}"
    run = run_file(home, painter, text.encode(encoding))
    assert run.code == 0, run.stderr
    assert painter.prompts == ["ein Fuchs, größer", "ein 🦊"]


def test_what_only_begins_as_utf_16_is_refused(home: Home, painter: Painter) -> None:
    run = run_file(home, painter, b"\xff\xfea\x00\x00\xd8b\x00")
    assert run.code == 2
    assert "not valid UTF-16" in run.json["error"]["message"]
    assert not painter.server.requests


@pytest.mark.parametrize(
    "line", ["[photo] of a cat", "prompt, size and quality", "NaN", '"prompt"', "1, 2, 3", "a # sign"]
)
def test_what_is_no_json_and_no_table_is_still_a_prompt(home: Home, painter: Painter, line: str) -> None:
    run = run_file(home, painter, f"{line}\n".encode())
    assert run.code == 0, run.stderr
    assert painter.prompts == [line.strip('"')]
