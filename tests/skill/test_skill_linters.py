"""What hosts and linters make of SKILL.md, besides the validator of Agent Skills (test_skill_folder)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from npm import INSTALL_TIMEOUT_S, installed, node

SKILL = Path(__file__).parents[2] / "skills" / "gpt-image-2"
LINTER = "claude-code-lint@0.5.0"
CHECKER = "skill-check@1.2.0"

#: What is left as it is: what a linter says of it, by rule, and why.
LEFT_OF_LINTER = {
    "skill-referenced-file-not-found": r".*: references/[a-z]+\.md#[a-z-]+",  # a heading
    "skill-body-missing-usage-section": r"Missing usage/instructions section",  # it is all recipes
    "skill-missing-changelog": r".*",  # the project has one
    "skill-missing-version": r".*",  # no field of the standard: Agent Skills' validator refuses it
    "skill-reference-not-linked": r"File reference `references/\*\.schema\.json` not linked",  # many files
}
LEFT_OF_CHECKER = {
    "frontmatter.metadata_string_values": r".*: openclaw",  # OpenClaw reads an object there
}
#: What Claude Code puts arguments in the place of, or runs (code.claude.com/docs/en/skills); `{{…}}`, `!{…}`
#: and `@{…}` are Gemini CLI's. A reference is read as the file that it is.
EXPANDED = r"\$[\w{]|!`|\{\{|!\{|@\{"

pytestmark = pytest.mark.timeout(2 * INSTALL_TIMEOUT_S)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that has the skill where Claude Code looks for it."""
    shutil.copytree(
        SKILL, tmp_path / ".claude/skills/gpt-image-2", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path


def run(project: Path, package: str, program: str, *args: str) -> dict:
    """What a linter says as JSON; both exit with 1 where they found something."""
    path = installed(package) / package.partition("@")[0] / program
    done = subprocess.run(
        [node(), str(path), *args], cwd=project, stdin=subprocess.DEVNULL, capture_output=True, timeout=60
    )
    return json.loads(done.stdout)


def linted(project: Path) -> list[tuple[str, str]]:
    """What claude-code-lint finds, with every rule that it has."""
    told = run(
        project, LINTER, "bin/claudelint", "check-all", "--no-cache", "--preset", "all", "--format", "json"
    )
    issues = [issue for part in told["validators"] for issue in (*part["errors"], *part["warnings"])]
    return [(issue["ruleId"], issue["message"]) for issue in issues]


def checked(project: Path) -> list[tuple[str, str]]:
    """What skill-check finds."""
    args = ("check", ".claude/skills/gpt-image-2", "--format", "json", "--no-security-scan")
    told = run(project, CHECKER, "bin/skill-check.js", *args)
    assert told["summary"]["skillCount"] == 1
    return [(issue["ruleId"], issue["message"]) for issue in told["diagnostics"]]


def new(found: list[tuple[str, str]], left: dict[str, str]) -> list[tuple[str, str]]:
    return [(rule, said) for rule, said in found if not re.fullmatch(left.get(rule, "$^"), said)]


def test_claude_code_lint_finds_nothing_but_what_is_left_on_purpose(project: Path) -> None:
    assert new(linted(project), LEFT_OF_LINTER) == []


def test_skill_check_finds_nothing_but_what_is_left_on_purpose(project: Path) -> None:
    assert new(checked(project), LEFT_OF_CHECKER) == []


def test_both_find_what_is_wrong(project: Path) -> None:
    text = project / ".claude/skills/gpt-image-2/SKILL.md"
    text.write_text(
        text.read_text("utf-8") + "\nIt costs $0.25, see [the bill](references/bill.md).\n", "utf-8"
    )
    assert ("skill-arguments-without-hint", "Uses $ARGUMENTS but missing argument-hint") in linted(project)
    assert "links.references_resolve" in {rule for rule, _ in checked(project)}


def test_no_host_finds_a_template_of_its_own_in_skill_md() -> None:
    body = (SKILL / "SKILL.md").read_text("utf-8")
    assert re.findall(f".*(?:{EXPANDED}).*", body) == []
