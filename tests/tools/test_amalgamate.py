"""The joiner, driven as a command on a small core of its own."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

REPO = Path(__file__).resolve().parents[2]
TOOL = REPO / "tools" / "amalgamate.py"
sys.path.insert(0, str(TOOL.parent))

from untyped import with_comments, without_types  # noqa: E402

SCRIPT = "skills/gpt-image-2/scripts/gpt_image2.py"
FUTURE = "from __future__ import annotations\n"

ABOUT = f'"""What this is."""\n\n{FUTURE}\nVERSION = "9.8.7"\n'

ERRORS = f'''"""What can go wrong.

  AppError
    Lost
"""

{FUTURE}

class AppError(Exception):
    """The root."""


class Lost(AppError):
    """Nothing is there."""  # kept: "quotes", \\\\ and ümlauts
'''

CLI = f'''"""The command."""

{FUTURE}
import os.path
import sys
from typing import List, Optional

from .base.about import VERSION
from .errors import AppError, Lost


def main(argv: Optional[List[str]] = None) -> int:
    """Print what was given."""
    import json

    args = sys.argv[1:] if argv is None else argv
    if not args:
        raise Lost(str(issubclass(Lost, AppError)))
    print(json.dumps([VERSION, os.path.basename("a/b"), *args]))
    return 0
'''

INIT = f'''"""Core."""

{FUTURE}
from .cli import main
from .errors import AppError

__all__ = ["AppError", "main"]
'''

SIGN = '"""What all rooms speak of."""\n'

COMPILE = (
    "import sys; from pathlib import Path; "
    "compile(Path(sys.argv[1]).read_text(encoding='utf-8'), sys.argv[1], 'exec', dont_inherit=True)"
)

MODULES = {"__init__": INIT, "base/__init__": SIGN, "base/about": ABOUT, "cli": CLI, "errors": ERRORS}


class Project:
    """A repository with nothing but a small core in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.core = root / "src" / "gpt_image2" / "core"
        self.script = root / SCRIPT
        self.core.mkdir(parents=True)
        for name, text in MODULES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.core / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode("utf-8"))

    def join(self, *args: str, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
        command = [python, str(TOOL), "--root", str(self.root), *args]
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)

    def built(self) -> str:
        done = self.join()
        assert (done.returncode, done.stderr) == (0, "")
        return self.script.read_text(encoding="utf-8")

    def refusal(self) -> str:
        done = self.join()
        assert (done.returncode, done.stdout) == (2, "")
        assert not self.script.exists()
        return done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "repo")


@pytest.fixture(scope="session")
def pythons() -> List[str]:
    listed = [sys.executable, str(REPO / "tools" / "test_matrix.py"), "--list"]
    lines = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split(maxsplit=1)[1] for line in lines]


def run(command: list[str], cwd: Path) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd).stdout


# What the script looks like


def test_modules_follow_those_they_import_and_ties_are_alphabetical(project: Project) -> None:
    project.write("zebra", f'"""Needs nothing."""\n\n{FUTURE}\nSTRIPES = 1\n')
    project.write("ant", f'"""Needs zebra."""\n\n{FUTURE}\nfrom .zebra import STRIPES\n\nLEGS = STRIPES\n')
    text = project.built()
    assert [
        line
        for line in text.splitlines()
        if line in {"# base/about", "# ant", "# cli", "# errors", "# zebra"}
    ] == [
        "# base/about",
        "# errors",
        "# cli",
        "# zebra",
        "# ant",
    ]


def test_a_body_is_kept_but_for_types_and_a_docstring_becomes_the_banner(project: Project) -> None:
    text = project.built()
    assert ERRORS[ERRORS.index("class AppError") :].strip("\n") in text
    body = CLI[CLI.index("def main") :].strip("\n")
    assert body.replace("argv: Optional[List[str]] = None) -> int", "argv=None)") in text
    assert "\n# errors\n#\n# What can go wrong.\n#\n# AppError\n#   Lost\n# ---" in text


TYPED = """from typing import Dict, TypeVar, Union, cast

LIMIT: int = 3
Found = Dict[str, int]
Seen = Union[
    int, "Kept"
]
_Made = TypeVar("_Made")


class Kept(Base):
    name: str
    size: Optional[int] = None

    def grow(self, by: int = 1, *more: str, ü: Dict[str, int] = {"a": 1}, **rest: Any) -> "Kept":
        total: int = self.size
        self.found: List[str] = []
        waits: bool
        return lambda each=total: each


def spread(
    first: Callable[
        [int], str
    ],
    second: Tuple[str, ...] = (),
) -> Iterator[
    int
]:
    yield LIMIT  # type: ignore
    yield max(cast(int, value), cast("Tuple[int]", one or two))[cast(
        int, one or two
    )]
"""
UNTYPED = '''from typing import Dict, TypeVar, Union, cast

LIMIT = 3
Found = "Dict[str, int]"
Seen = """Union[
    int, "Kept"
]"""
_Made = 'TypeVar("_Made")'


class Kept(Base):
    name: str
    size: Optional[int] = None

    def grow(self, by=1, *more, ü={"a": 1}, **rest):
        total = self.size
        self.found = []
        waits: bool
        return lambda each=total: each


def spread(
    first,
    second=(),
):
    yield LIMIT  # type: ignore
    yield max(value, (one or two))[(one or two)]
'''


def test_types_of_functions_are_left_out_and_those_that_make_records_stay() -> None:
    lines = without_types(ast.parse(TYPED), TYPED.split("\n"))
    assert "\n".join(line for _, line in sorted(lines.items())) == UNTYPED


DOCUMENTED = '''
def shown():
    """What the script exports keeps its help."""
    return 1


class Hidden:
    """One line."""

    size = 1

    def name(self):
        """Several lines,

        with a blank one.
        """
        return """no docstring"""

    def only(self):
        """All of its body."""
'''
COMMENTED = '''
def shown():
    """What the script exports keeps its help."""
    return 1


class Hidden:
    # One line.

    size = 1

    def name(self):
        # Several lines,
        #
        # with a blank one.
        return """no docstring"""

    def only(self):
        """All of its body."""
'''


def test_docstrings_become_comments_but_for_those_of_what_is_exported() -> None:
    tree, text = ast.parse(DOCUMENTED), dict(enumerate(DOCUMENTED.split("\n"), 1))
    lines = with_comments(tree, text, ["shown"])
    assert "\n".join(line for _, line in sorted(lines.items())) == COMMENTED


def test_standard_library_imports_are_merged_sorted_and_stand_once(project: Project) -> None:
    project.write(
        "errors",
        ERRORS.replace(
            FUTURE, FUTURE + "\nimport os\nimport abc as base\nfrom typing import Any, List, TypeVar\n"
        )
        + '\n\nNAMES: Any = os.sep\nKIND = TypeVar("KIND")\nclass Kept:\n    names: List[int]\n',
    )
    text = project.built()
    assert text.split("__all__")[0].endswith(
        "os._exit(130))\n\nimport abc as base\nimport os\nimport os.path\nimport sys\n\n"
        "TYPE_CHECKING = False  # checkers take it for true\nif TYPE_CHECKING:\n"
        "    from typing import List, TypeVar\n\n"
    )
    assert "\nKIND = 'TypeVar(\"KIND\")'\n" in text


def test_what_is_used_of_typing_at_run_time_is_imported(project: Project) -> None:
    project.write(
        "errors",
        ERRORS.replace(FUTURE, FUTURE + "from typing import NamedTuple, Optional\n")
        + "\n\nclass Pair(NamedTuple):\n    one: Optional[int] = None\n",
    )
    text = project.built()
    assert "\nfrom typing import NamedTuple\n" in text and "\n    from typing import Optional\n" in text
    assert '"9.8.7"' in run([sys.executable, str(project.script), "x"], project.root)


def test_a_long_merged_import_is_wrapped(project: Project) -> None:
    names = sorted(
        f"{kind}Warning" for kind in ("Bytes", "Deprecation", "Future", "Import", "Resource", "Syntax")
    )
    names += ["BaseException", "ConnectionAbortedError", "ConnectionRefusedError"]
    aliased = ", ".join(f"{name} as _{name}" for name in names)
    project.write("errors", ERRORS.replace(FUTURE, f"{FUTURE}\nfrom builtins import ({aliased})\n"))
    assert "from builtins import (\n    BaseException as _BaseException,\n" in project.built()


def test_the_header_names_source_version_licence_and_everything_touched(project: Project) -> None:
    head = project.built().split(FUTURE)[0]
    assert head.startswith('#!/usr/bin/env python3\n"""')
    for words in (
        "GENERATED from src/gpt_image2/core",
        "tools/amalgamate.py",
        "Version 9.8.7",
        "MIT License",
    ):
        assert words in head
    for words in ("https://api.openai.com/v1", "`curl`, and no other", "$XDG_STATE_HOME/gpt-image-2/"):
        assert words in head


def test_the_public_names_are_those_of_the_package(project: Project) -> None:
    assert '\n__all__ = [\n    "AppError",\n    "main",\n]\n' in project.built()


def test_the_footer_runs_main_and_gets_its_sys_by_itself(project: Project) -> None:
    project.write("cli", f'"""The command."""\n\n{FUTURE}\n\ndef main() -> int:\n    return 7\n')
    text = project.built()
    assert text.endswith('\n\n\nif __name__ == "__main__":\n    sys.exit(main())\n')
    assert subprocess.run([sys.executable, str(project.script)], check=False).returncode == 7


def test_the_script_is_formatted_as_the_formatter_would(project: Project) -> None:
    project.built()
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "110", "--check"]
    done = subprocess.run([*command, str(project.script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_committed_scripts_use_no_name_that_nobody_defines() -> None:
    scripts = [str(path) for path in (REPO / SCRIPT).parent.glob("*.py")]
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "F821,F811"]
    done = subprocess.run([*ruff, *scripts], capture_output=True, text=True)
    assert (done.returncode, len(scripts)) == (0, 2), done.stdout


def test_the_script_is_executable_and_has_unix_line_ends_even_from_windows_sources(project: Project) -> None:
    expected = project.built()
    project.write("errors", ERRORS.replace("\n", "\r\n"))
    assert project.built() == expected
    assert b"\r" not in project.script.read_bytes()
    assert project.script.stat().st_mode & 0o777 == 0o755


def test_the_same_core_gives_the_same_bytes_on_every_python_found(
    project: Project, pythons: List[str]
) -> None:
    project.built()
    expected = project.script.read_bytes()
    for python in pythons:
        project.script.unlink()
        assert project.join(python=python).returncode == 0, python
        assert project.script.read_bytes() == expected, python


# Where the script runs


def test_the_script_runs_isolated_renamed_linked_and_from_another_folder(
    project: Project, tmp_path: Path, pythons: List[str]
) -> None:
    project.built()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    renamed = elsewhere / "gpt-image2"
    shutil.copy(project.script, renamed)
    linked = elsewhere / "link"
    linked.symlink_to(project.script)
    for python in pythons:
        for script in (project.script, renamed, linked):
            run([python, "-I", "-S", "-W", "error", "-c", COMPILE, str(script)], elsewhere)
            assert run([python, "-I", "-S", str(script), "x"], elsewhere) == '["9.8.7", "b", "x"]\n'


def test_the_script_can_be_run_as_a_program_and_imported(project: Project) -> None:
    project.built()
    env_path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = subprocess.run([str(project.script), "x"], check=False, env={**os.environ, "PATH": env_path})
    assert program.returncode == 0
    code = "from gpt_image2 import *; print(AppError.__name__, main(['x']))"
    assert run([sys.executable, "-c", code], project.script.parent).endswith("AppError 0\n")


# --check


def test_check_calls_a_fresh_script_fresh(project: Project) -> None:
    project.built()
    done = project.join("--check")
    assert (done.returncode, done.stdout) == (0, f"{SCRIPT} is fresh\n")


@pytest.mark.parametrize("name", ["__init__", "base/about", "cli", "errors"])
def test_check_notices_a_change_to_any_module(project: Project, name: str) -> None:
    project.built()
    old, new = ('"main"]', '"main", "Lost"]') if name == "__init__" else ('"""\n', ' Now!"""\n')
    project.write(name, MODULES[name].replace(old, new, 1))
    before = project.script.read_bytes()
    done = project.join("--check")
    assert done.returncode == 1
    assert done.stdout.startswith(f"{SCRIPT} is stale: ")
    assert "--- committed\n+++ joined from core\n@@" in done.stdout
    assert project.script.read_bytes() == before


def test_check_counts_the_lines_and_shows_only_the_first_of_a_long_difference(project: Project) -> None:
    project.built()
    project.write("errors", ERRORS + "\n\nTABLE = [\n" + "    1,\n" * 400 + "]\n")
    done = project.join("--check")
    assert done.returncode == 1
    assert "404 lines to add, 0 to remove" in done.stdout
    assert len(done.stdout.splitlines()) <= 20
    assert done.stdout.endswith("To rebuild it: python3 tools/amalgamate.py\n")


def test_check_notices_a_missing_script(project: Project) -> None:
    done = project.join("--check")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, f"{SCRIPT} is missing")


def test_check_notices_a_script_that_is_not_executable(project: Project) -> None:
    project.built()
    project.script.chmod(0o644)
    done = project.join("--check")
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, f"{SCRIPT} is not executable")


# What core must keep to


def module(head: str = "", body: str = "X = 1\n") -> str:
    return f'"""A module."""\n\n{FUTURE}{head}\n{body}'


BREACHES = {
    "no docstring": (FUTURE, 1, "must start with its docstring"),
    "text above the docstring": ('# hm\n"""A module."""\n' + FUTURE, 1, "would lose this"),
    "no future import": ('"""A module."""\n\nimport sys\n', 2, "must follow the docstring"),
    "another future import": (module("from __future__ import division\n"), 4, "and once"),
    "not Python": (module(body="def f(:\n"), 5, "invalid syntax"),
    "a comment among the imports": (module("import os\n# hm\nimport re\n"), 5, "would lose this"),
    "two statements on a line": (module("import os; X = 1\n"), 4, "would lose this"),
    "an import below the body": (module(body="X = 1\nimport os\n"), 6, "imports belong directly under"),
    "a sibling import below the body": (
        module(body="X = 1\nfrom .errors import Lost\n"),
        6,
        "only directly under",
    ),
    "a function with nothing but a sibling import": (
        module(body="def f() -> None:\n    from .errors import Lost\n"),
        6,
        "joining would leave nothing",
    ),
    "a sibling import in a class": (
        module(body="class C:\n    from .errors import Lost\n\n    X = 1\n"),
        6,
        "only directly under",
    ),
    "an unknown name, imported in a function": (
        module(body="def f() -> None:\n    from .errors import Lots\n\n    Lots()\n"),
        6,
        "errors.py does not define Lots",
    ),
    "a sibling import in a try": (
        module(body="try:\n    from .errors import Lost\nexcept ImportError:\n    pass\n"),
        6,
        "only directly under",
    ),
    "a renamed sibling name": (
        module("from .errors import Lost as L\n"),
        4,
        "no `as` between modules of core",
    ),
    "a star from a sibling": (module("from .errors import *\n"), 4, "no star imports"),
    "a star from outside": (module("from os import *\n"), 4, "no star imports"),
    "a module as a name": (module("from . import errors\n"), 4, "import names, not modules"),
    "a name from above core": (module("from ..sandbox import app\n"), 4, "core imports nothing above it"),
    "core by its absolute name": (
        module("from gpt_image2.core.errors import Lost\n"),
        4,
        "not as gpt_image2",
    ),
    "core by import": (module("import gpt_image2.core.errors\n"), 4, "not as gpt_image2"),
    "an unknown sibling": (module("from .nowhere import X\n"), 4, "no module nowhere"),
    "a sibling's sibling": (module("from .cli import AppError\n"), 4, "cli.py does not define AppError"),
    "an unknown name": (module("from .errors import Lots\n"), 4, "errors.py does not define Lots"),
    "a package from elsewhere": (module("import requests\n"), 4, "requests is not in the standard library"),
    "a package from elsewhere in a function": (
        module(body="def f() -> None:\n    from PIL.Image import open\n"),
        6,
        "PIL.Image is not in the standard library",
    ),
    "the same function twice": (module(body="def main() -> None: ...\n"), 5, "main is already taken at"),
    "the same private name twice": (
        module(body="_a = 1\nclass Lost:\n    pass\n"),
        6,
        "errors.py:14",
    ),
    "a name that another module imports": (module(body="sys = 1\n"), 5, "sys is already taken at"),
    "a name that a global statement makes": (
        module(body="def f() -> None:\n    global VERSION\n    VERSION = 1\n"),
        6,
        "VERSION is already taken at",
    ),
    "one name for two imports": (
        module("from json import JSONDecoder as sys\n"),
        4,
        "sys is already taken at",
    ),
    "two names for one import": (
        module("import sys as system\n"),
        4,
        "sys is imported as system, but as sys at",
    ),
    "a builtin's name": (module(body="def open() -> None: ...\n"), 5, "open would hide the builtin"),
    "an __all__ of its own": (module(body='__all__ = ["X"]\n'), 5, "__all__ is already taken"),
    "a type-checking block": (
        module("from typing import TYPE_CHECKING\n", "if TYPE_CHECKING:\n    pass\n"),
        6,
        "no TYPE_CHECKING",
    ),
    "a footer of its own": (module(body='if __name__ == "__main__":\n    pass\n'), 5, "no __name__ test"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_breach_is_refused_with_file_line_and_reason(project: Project, breach: str) -> None:
    text, line, reason = BREACHES[breach]
    project.write("zoo", text)
    first = project.refusal().splitlines()[0]
    # A clash is reported at the later module of the alphabet, which is this one.
    assert first.startswith(f"src/gpt_image2/core/zoo.py:{line}: ")
    assert reason in first


def test_an_import_from_core_inside_a_function_is_dropped_and_makes_no_cycle(project: Project) -> None:
    project.write("one", module("from .two import second\n", "def first() -> int:\n    return second()\n"))
    project.write(
        "two",
        module(
            body="def second(deep: int = 0) -> int:\n    if deep:\n        from .one import first\n\n"
            "        return first()\n    return 2\n"
        ),
    )
    script = project.built()
    assert "    if deep:\n        return first()\n    return 2\n" in script
    assert "from ." not in script


def test_a_room_of_core_is_joined_under_its_own_name(project: Project) -> None:
    project.write("zoo/__init__", '"""A room."""\n')
    project.write(
        "zoo/cage", module("from ..errors import Lost\nfrom .lock import KEY\n", "CAGE = (Lost, KEY)\n")
    )
    project.write("zoo/lock", module(body="KEY = 1\n"))
    project.write("gate", module("from .zoo.cage import CAGE\n", "GATE = CAGE\n"))
    script = project.built()
    banners = [line for line in script.splitlines() if line in ("# zoo/lock", "# zoo/cage", "# gate")]
    assert banners == ["# zoo/lock", "# zoo/cage", "# gate"]


def test_a_room_stands_whole_under_its_sign_and_after_the_rooms_it_imports_from(project: Project) -> None:
    project.write("ark/__init__", '"""Where the animals live."""\n')
    project.write("ark/hold", module("from ..zoo.lock import KEY\n", "HOLD = KEY\n"))
    project.write("ark/deck", module(body="DECK = 1\n"))
    project.write("zoo/__init__", '"""Where the animals come from."""\n')
    project.write("zoo/lock", module(body="KEY = 1\n"))
    lines = project.built().splitlines()
    banners = [
        line for line in lines if line in ("# ark/", "# ark/deck", "# ark/hold", "# zoo/", "# zoo/lock")
    ]
    assert banners == ["# zoo/", "# zoo/lock", "# ark/", "# ark/deck", "# ark/hold"]
    assert lines[lines.index("# ark/") + 2] == "# Where the animals live."


def test_rooms_that_import_one_another_in_a_circle_are_refused(project: Project) -> None:
    for room, other in (("ark", "zoo"), ("zoo", "ark")):
        project.write(f"{room}/__init__", '"""A room."""\n')
        project.write(f"{room}/bottom", module(body=f"{room.upper()} = 1\n"))
        project.write(
            f"{room}/top",
            module(f"from ..{other}.bottom import {other.upper()}\n", f"{room}_top = {other.upper()}\n"),
        )
    assert project.refusal() == "src/gpt_image2/core:1: rooms import one another in a circle: ark, zoo\n"


def test_a_room_without_a_sign_is_refused(project: Project) -> None:
    project.write("zoo/lock", module(body="KEY = 1\n"))
    assert project.refusal() == "src/gpt_image2/core/zoo/__init__.py:1: missing\n"


def test_a_side_room_goes_into_a_file_beside_the_script_that_loads_it_when_asked(project: Project) -> None:
    project.write("batch/__init__", '"""A room."""\n')
    project.write(
        "batch/many", module("from ..errors import Lost\nfrom .few import FEW\n", "MANY = (Lost, FEW)\n")
    )
    project.write("batch/few", module(body="FEW = 1\n"))
    project.write(
        "late", module(body="def many() -> object:\n    from .batch.many import MANY\n\n    return MANY\n")
    )
    script = project.built()
    assert '    MANY = load_side("gpt_image2_more").MANY\n    return MANY\n' in script
    assert "def load_side" in script and "FEW" not in script
    side = project.script.with_name("gpt_image2_more.py").read_text(encoding="utf-8")
    assert "\nfrom gpt_image2 import Lost\n" in side
    assert side.index("# batch/few") < side.index("# batch/many")
    assert project.join("--check").returncode == 0
    project.script.with_name("gpt_image2_more.py").write_text("stale\n")
    assert project.join("--check").returncode == 1


def test_a_module_of_a_side_file_is_imported_from_the_script_only_inside_functions(project: Project) -> None:
    project.write("batch/__init__", '"""A room."""\n')
    project.write("batch/many", module(body="MANY = 1\n"))
    project.write("soon", module("from .batch.many import MANY\n", "SOON = MANY\n"))
    problem = project.refusal()
    assert problem.startswith("src/gpt_image2/core/soon.py:4: batch.many is in another file than this")


def test_a_room_reaches_nothing_above_core_and_its_package_holds_no_code(project: Project) -> None:
    project.write("zoo/__init__", '"""A room."""\n')
    project.write("zoo/cage", module("from ...sandbox import app\n"))
    assert project.refusal() == "src/gpt_image2/core/zoo/cage.py:4: core imports nothing above it\n"
    project.write("zoo/__init__", '"""A room."""\n\nX = 1\n')
    assert project.refusal().startswith(
        "src/gpt_image2/core/zoo/__init__.py:1: a room's sign, its docstring, and nothing else belongs here"
    )


def test_a_clash_names_both_places(project: Project) -> None:
    project.write("zoo", module(body="class Lost:\n    pass\n"))
    problem = project.refusal()
    assert problem == (
        "src/gpt_image2/core/zoo.py:5: the name Lost is already taken at src/gpt_image2/core/errors.py:14\n"
    )


def test_every_breach_is_listed_at_once(project: Project) -> None:
    project.write("zoo", module("import requests\nfrom .nowhere import Y\n", "Lost = 1\n"))
    assert len(project.refusal().splitlines()) == 3


def test_an_import_cycle_is_refused_and_drawn(project: Project) -> None:
    project.write("one", module("from .two import B\n", "A = 1\n"))
    project.write("two", module("from .one import A\n", "B = 1\n"))
    assert project.refusal() == "src/gpt_image2/core/one.py:4: import cycle: one -> two -> one\n"


def test_core_without_an_entry_a_version_or_public_names_is_refused(project: Project) -> None:
    project.write("cli", module())
    project.write("base/about", module(body="Y = 1\n"))
    problems = project.refusal()
    for words in (
        "cli.py:1: must define main",
        "about.py:1: must define VERSION",
        "no module defines main of",
    ):
        assert words in problems
    project.write("__init__", '"""Core."""\n')
    assert project.refusal() == "src/gpt_image2/core/__init__.py:1: must define __all__\n"
    (project.core / "__init__.py").unlink()
    assert project.refusal() == "src/gpt_image2/core/__init__.py:1: missing\n"


def test_what_is_local_to_a_function_or_a_comprehension_is_no_clash(project: Project) -> None:
    project.write(
        "zoo",
        module(
            body="def f(main: int) -> int:\n    import json as sys\n\n"
            "    VERSION = main\n    return VERSION\n\n\nEVENS = [Lost for Lost in range(9)]\n"
        ),
    )
    project.built()


def test_an_import_that_only_some_platforms_have_may_stay_in_a_try(project: Project) -> None:
    project.write("zoo", module(body="try:\n    import fcntl\nexcept ImportError:\n    fcntl = None\n"))
    assert "\ntry:\n    import fcntl\nexcept ImportError:\n    fcntl = None\n" in project.built()
