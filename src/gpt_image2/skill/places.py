"""Where agents look for skills, and the frontmatter that Hermes reads. Looks at folders; writes nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Mapping, Optional, Tuple

from gpt_image2.core.base.about import VERSION
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.settings.places import home_folder

SKILL = "gpt-image-2"
Env = Mapping[str, str]


@dataclass(frozen=True)
class Place:
    """A folder of skills: `base` is the agent's own, which a copy may not leave; None for a folder named.
    `also_read` are other places where the agent would find this skill."""

    folder: Path
    base: Optional[Path] = None
    hermes: bool = False
    also_read: Tuple[Path, ...] = ()

    @property
    def target(self) -> Path:
        """Where this skill goes."""
        return self.folder / SKILL


def claude(env: Env) -> Place:
    """Claude Code's personal skills."""
    return _place(_own_folder(env, "CLAUDE_CONFIG_DIR", ".claude"), "skills")


def codex(env: Env) -> Place:
    """Codex's user skills; it still reads the older `$CODEX_HOME/skills` too."""
    older = _own_folder(env, "CODEX_HOME", ".codex") / "skills" / SKILL
    return _place(home_folder(env) / ".agents", "skills", also_read=(older,))


def openclaw(env: Env) -> Place:
    """OpenClaw's skills for all agents of this machine."""
    return _place(_own_folder(env, "OPENCLAW_STATE_DIR", ".openclaw"), "skills")


def hermes(env: Env) -> Place:
    """Hermes' skills, in its category for creative work."""
    return _place(_own_folder(env, "HERMES_HOME", ".hermes"), "skills/creative", hermes=True)


def cursor(env: Env) -> Place:
    """Cursor's skills for all projects (https://cursor.com/docs/skills)."""
    return _place(
        home_folder(env) / ".cursor", "skills", also_read=_shared(env, ".agents", ".claude", ".codex")
    )


def gemini(env: Env) -> Place:
    """Gemini CLI's user skills (https://geminicli.com/docs/cli/using-agent-skills)."""
    return _place(home_folder(env) / ".gemini", "skills", also_read=_shared(env, ".agents"))


def opencode(env: Env) -> Place:
    """OpenCode's skills for all projects (https://opencode.ai/docs/skills)."""
    config = _own_folder(env, "XDG_CONFIG_HOME", ".config")
    return _place(config / "opencode", "skills", also_read=_shared(env, ".agents", ".claude"))


def windsurf(env: Env) -> Place:
    """Windsurf's skills for all workspaces (https://docs.windsurf.com/windsurf/cascade/skills)."""
    return _place(home_folder(env) / ".codeium" / "windsurf", "skills")


def antigravity(env: Env) -> Place:
    """Antigravity's skills for all workspaces (https://antigravity.google/docs/skills)."""
    return _place(home_folder(env) / ".gemini" / "config", "skills")


AGENTS: Dict[str, Callable[[Env], Place]] = {
    "claude": claude,
    "codex": codex,
    "openclaw": openclaw,
    "hermes": hermes,
    "cursor": cursor,
    "gemini": gemini,
    "opencode": opencode,
    "windsurf": windsurf,
    "antigravity": antigravity,
}


def find_place(to: str, env: Env) -> Place:
    """The place for an agent's name, or for a folder of skills.

    Raises:
        UsageError: neither an agent nor a folder.
    """
    if to in AGENTS:
        return AGENTS[to](env)
    path = Path(os.path.abspath(os.path.expanduser(to)))
    names = ", ".join(AGENTS)
    if not to or (os.sep not in to and "/" not in to and not path.is_dir()):
        raise UsageError(
            f"--to {to!r} is no agent known here, and no folder", hint=f"give {names}, or a folder as ./NAME"
        )
    return Place(path)


def find_skill_folder() -> Path:
    """The skill folder: beside this module in an installed package, else in the repository.

    Raises:
        UsageError: it is in neither place.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / SKILL, here.parents[2] / "skills" / SKILL):
        if (folder / "SKILL.md").is_file():
            return folder
    raise UsageError(
        "this installation has no skill folder",
        hint="install the package again, or copy skills/gpt-image-2 from the repository",
        code="skill_missing",
    )


def for_hermes(text: str) -> str:
    """SKILL.md with the frontmatter of Hermes, whose index shows 60 characters of a description."""
    _, _, body = text.split("---\n", 2)
    return f"---\n{_HERMES_FRONTMATTER}---\n{body}"


# Hermes keeps OPENAI_API_KEY from the commands that a skill runs, whatever the skill declares.
_HERMES_FRONTMATTER = f"""\
name: {SKILL}
description: Make or edit pictures with gpt-image-2, saved to files.
version: {VERSION}
author: The gpt-image-2 authors
license: MIT
platforms:
  - linux
  - macos
  - windows
prerequisites:
  commands:
    - curl
    - python3
required_environment_variables:
  - name: GPT_IMAGE2_API_KEY
    prompt: API key for gpt-image-2
    help: https://platform.openai.com/api-keys
    required_for: making and editing images, unless a config file holds the key
    optional: true
  - name: GPT_IMAGE2_BASE_URL
    prompt: Base URL of the Images API, only if it is not OpenAI's own
    optional: true
metadata:
  hermes:
    category: creative
    tags:
      - image-generation
      - image-editing
      - text-to-image
      - inpainting
      - openai
"""


def _own_folder(env: Env, variable: str, name: str) -> Path:
    own = env.get(variable, "")
    return Path(own) if Path(own).is_absolute() else home_folder(env) / name


def _shared(env: Env, *names: str) -> Tuple[Path, ...]:
    """Where the folders of other agents would have this skill."""
    return tuple(home_folder(env) / name / "skills" / SKILL for name in names)


def _place(base: Path, below: str, *, hermes: bool = False, also_read: Tuple[Path, ...] = ()) -> Place:
    return Place(base / below, base, hermes, also_read)
