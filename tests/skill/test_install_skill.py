from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
import strictyaml
from skill_user import User

from gpt_image2.core.base.about import VERSION
from gpt_image2.core.base.errors import OutputError
from gpt_image2.skill import copying
from gpt_image2.skill.places import Place

ROOT = Path(__file__).parents[2]
SKILL = ROOT / "skills" / "gpt-image-2"
AGENTSKILLS = str(Path(sys.executable).with_name("agentskills"))
FOLDERS = {
    "claude": ".claude/skills",
    "codex": ".agents/skills",
    "openclaw": ".openclaw/skills",
    "hermes": ".hermes/skills/creative",
    "cursor": ".cursor/skills",
    "gemini": ".gemini/skills",
    "opencode": ".config/opencode/skills",
    "windsurf": ".codeium/windsurf/skills",
    "antigravity": ".gemini/config/skills",
}
AGENTS = sorted(FOLDERS)


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def installed(user: User, agent: str) -> Path:
    return user.root / FOLDERS[agent] / "gpt-image-2"


@pytest.mark.parametrize("agent", AGENTS)
def test_the_whole_folder_goes_where_the_agent_looks(user: User, agent: str) -> None:
    done = user.install_skill("--to", agent)
    target = installed(user, agent)
    assert done.code == 0, done.stderr
    assert done.stdout == f"Installed: {target} ({len(contents(SKILL))} files)\n"
    ours, theirs = contents(SKILL), contents(target)
    if agent == "hermes":
        ours.pop("SKILL.md"), theirs.pop("SKILL.md")
    assert theirs == ours


@pytest.mark.parametrize(
    ("agent", "variable", "below"),
    [
        ("claude", "CLAUDE_CONFIG_DIR", "skills"),
        ("openclaw", "OPENCLAW_STATE_DIR", "skills"),
        ("hermes", "HERMES_HOME", "skills/creative"),
        ("opencode", "XDG_CONFIG_HOME", "opencode/skills"),
    ],
)
def test_an_agent_that_lives_elsewhere_is_found_by_its_variable(
    user: User, tmp_path: Path, agent: str, variable: str, below: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    assert user.install_skill("--to", agent, env={variable: str(elsewhere)}).code == 0
    assert (elsewhere / below / "gpt-image-2" / "SKILL.md").is_file()
    assert not list(user.root.iterdir())


@pytest.mark.parametrize(
    ("agent", "elsewhere"),
    [
        ("codex", ".codex"),
        ("cursor", ".claude"),
        ("cursor", ".agents"),
        ("cursor", ".codex"),
        ("gemini", ".agents"),
        ("opencode", ".claude"),
        ("opencode", ".agents"),
    ],
)
def test_a_copy_elsewhere_that_the_agent_reads_too_is_warned_of(
    user: User, agent: str, elsewhere: str
) -> None:
    other = user.root / elsewhere / "skills" / "gpt-image-2"
    other.mkdir(parents=True)
    done = user.install_skill("--to", agent)
    assert done.code == 0
    assert f"warning: {other} is read too" in done.stderr


@pytest.mark.parametrize("agent", sorted(set(AGENTS) - {"hermes"}))
def test_what_is_installed_is_a_valid_skill_whose_script_runs(user: User, agent: str) -> None:
    user.install_skill("--to", agent)
    target = installed(user, agent)
    assert user.run_program(AGENTSKILLS, "validate", str(target)).code == 0
    done = user.run_program("python3", str(target / "scripts" / "gpt_image2.py"), "--version")
    assert done.stdout == f"gpt-image2 {VERSION}\n"


def test_hermes_gets_its_own_frontmatter_and_the_same_text(user: User) -> None:
    user.install_skill("--to", "hermes")
    _, head, body = (installed(user, "hermes") / "SKILL.md").read_text("utf-8").split("---\n", 2)
    fields = strictyaml.load(head).data
    assert (fields["name"], fields["version"], fields["license"]) == ("gpt-image-2", VERSION, "MIT")
    assert len(fields["description"]) <= 60
    assert fields["platforms"] == ["linux", "macos", "windows"]
    assert "image-generation" in fields["metadata"]["hermes"]["tags"]
    assert {variable["optional"] for variable in fields["required_environment_variables"]} == {"true"}
    assert body == (SKILL / "SKILL.md").read_text("utf-8").split("---\n", 2)[2]


def test_a_folder_may_be_named_and_its_other_skills_stay(user: User) -> None:
    other = user.cwd / "skills" / "other"
    other.mkdir(parents=True)
    (other / "SKILL.md").write_text("mine", "utf-8")
    assert user.install_skill("--to", "skills").code == 0
    assert contents(other) == {"SKILL.md": b"mine"}
    assert contents(user.cwd / "skills" / "gpt-image-2") == contents(SKILL)
    assert sorted(path.name for path in (user.cwd / "skills").iterdir()) == ["gpt-image-2", "other"]


def test_a_misspelt_agent_is_refused_and_no_folder_of_that_name_made(user: User) -> None:
    done = user.install_skill("--to", "cluade")
    assert done.code == 2
    assert all(agent in done.stderr for agent in AGENTS)
    assert not list(user.cwd.iterdir())


def test_what_is_there_already_stays_without_force(user: User) -> None:
    user.install_skill("--to", "claude")
    mine = installed(user, "claude") / "SKILL.md"
    mine.write_text("changed", "utf-8")
    done = user.install_skill("--to", "claude")
    assert done.code == 2
    assert "add --force" in done.stderr
    assert mine.read_text("utf-8") == "changed"


def test_force_replaces_all_of_the_old_folder_and_leaves_nothing_beside_it(user: User) -> None:
    user.install_skill("--to", "claude")
    target = installed(user, "claude")
    (target / "SKILL.md").write_text("changed", "utf-8")
    (target / "references" / "gone.md").write_text("of an older version", "utf-8")
    done = user.install_skill("--to", "claude", "--force")
    assert done.stdout.startswith(f"Replaced: {target}")
    assert contents(target) == contents(SKILL)
    assert [path.name for path in target.parent.iterdir()] == ["gpt-image-2"]


def test_a_folder_that_is_no_skill_is_not_replaced_even_with_force(user: User) -> None:
    target = installed(user, "claude")
    target.mkdir(parents=True)
    (target / "holiday.png").write_bytes(b"mine")
    done = user.install_skill("--to", "claude", "--force")
    assert done.code == 2
    assert contents(target) == {"holiday.png": b"mine"}


def test_a_link_in_the_place_of_the_skill_is_not_followed(user: User) -> None:
    mine = user.root / "checkout"
    mine.mkdir()
    (mine / "SKILL.md").write_text("mine", "utf-8")
    target = installed(user, "claude")
    target.parent.mkdir(parents=True)
    target.symlink_to(mine)
    done = user.install_skill("--to", "claude", "--force")
    assert done.code == 2
    assert contents(mine) == {"SKILL.md": b"mine"}
    assert target.is_symlink()


def test_a_folder_of_skills_that_is_a_link_out_of_the_agents_folder_is_not_followed(user: User) -> None:
    outside = user.root / "outside"
    outside.mkdir()
    (user.root / ".claude").mkdir()
    (user.root / ".claude" / "skills").symlink_to(outside)
    done = user.install_skill("--to", "claude")
    assert done.code == 2
    assert f"--to {outside}" in done.stderr
    assert not list(outside.iterdir())


def test_the_skill_is_not_copied_into_itself(user: User) -> None:
    before = contents(SKILL)
    for to in (SKILL.parent, SKILL, SKILL / "references"):
        assert user.install_skill("--to", str(to), "--force").code == 2
    assert contents(SKILL) == before


def test_dry_run_lists_every_file_and_writes_nothing(user: User) -> None:
    done = user.install_skill("--to", "hermes", "--dry-run")
    assert done.code == 0
    target = installed(user, "hermes")
    expected = [f"{SKILL / name} -> {target / name}" for name in contents(SKILL)]
    assert sorted(done.stdout.splitlines()) == sorted([*expected, "Nothing was written."])
    assert not list(user.root.iterdir())


def test_dry_run_says_that_force_would_be_needed(user: User) -> None:
    user.install_skill("--to", "claude")
    done = user.install_skill("--to", "claude", "--dry-run")
    assert done.code == 0
    assert "--force is needed" in done.stderr


def test_json_is_one_object_on_success_and_on_failure(user: User) -> None:
    done = json.loads(user.install_skill("--to", "claude", "--json").stdout)
    assert (done["ok"], done["path"], done["replaced"]) == (True, str(installed(user, "claude")), False)
    assert sorted(done["files"]) == sorted(contents(SKILL))
    failed = json.loads(user.install_skill("--to", "claude", "--json").stdout)
    assert (failed["ok"], failed["error"]["code"]) == (False, "exists")
    wrong = json.loads(user.install_skill("--bogus", "--json").stdout)
    assert (wrong["ok"], wrong["error"]["code"]) == (False, "usage")


def test_a_folder_that_cannot_be_written_is_an_output_error(user: User) -> None:
    (user.root / ".claude").write_text("a file in the way", "utf-8")
    done = user.install_skill("--to", "claude")
    assert done.code == 8
    assert "cannot write" in done.stderr


def test_the_old_skill_is_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "gpt-image-2"
    old.mkdir()
    (old / "SKILL.md").write_text("old", "utf-8")
    plan = copying.plan_copy(SKILL, Place(tmp_path), True, None)
    rename = os.rename

    def fail_for_the_new_one(source: Path, target: Path) -> None:
        if source.name == "new":
            raise OSError(28, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(copying.os, "rename", fail_for_the_new_one)
    with pytest.raises(OutputError, match="No space left"):
        copying.copy_skill(plan)
    assert contents(tmp_path) == {"gpt-image-2/SKILL.md": b"old"}


def test_links_and_hidden_files_in_the_source_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "SKILL.md").write_text("text", "utf-8")
    (source / ".secret").write_text("hidden", "utf-8")
    (source / "link").symlink_to(tmp_path)
    (source / "passwd").symlink_to("/etc/passwd")
    copying.copy_skill(copying.plan_copy(source, Place(tmp_path / "skills"), False, None))
    assert contents(tmp_path / "skills") == {"gpt-image-2/SKILL.md": b"text"}


def test_the_script_alone_says_how_to_get_the_command(user: User) -> None:
    script = str(SKILL / "scripts" / "gpt_image2.py")
    done = user.run_program(sys.executable, "-I", "-S", script, "install-skill", "--to", "claude")
    assert done.code == 2
    assert done.stderr.endswith(f"install it: pip install {ROOT}\n")


def test_the_wheel_holds_the_skill_and_installs_it(user: User, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, env=user.env)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    packaged = tmp_path / "site" / "gpt_image2" / "skill" / "gpt-image-2"
    assert contents(packaged) == contents(SKILL)
    done = user.install_skill("--to", "claude", "--json", env={"PYTHONPATH": str(tmp_path / "site")})
    assert json.loads(done.stdout)["source"] == str(packaged)
    assert contents(installed(user, "claude")) == contents(SKILL)


@pytest.mark.skipif(os.name == "nt", reason="folders have no locks")
def test_two_that_are_installed_at_once_do_not_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, errors, really = Place(tmp_path / "skills"), list[Exception](), os.rename
    copying.copy_skill(copying.plan_copy(SKILL, place, False, None))

    def install() -> None:
        try:
            copying.copy_skill(copying.plan_copy(SKILL, place, True, None))
        except Exception as error:
            errors.append(error)

    beside = threading.Thread(target=install)

    def rename(source: str, target: str) -> None:
        really(source, target)
        if not beside.ident:  # the one that was there is gone, and the new one not there yet
            beside.start()
            beside.join(0.1)

    monkeypatch.setattr(copying.os, "rename", rename)
    install()
    beside.join(30)
    assert errors == [] and contents(tmp_path / "skills" / "gpt-image-2") == contents(SKILL)
    assert len(list((tmp_path / "skills").iterdir())) == 1
