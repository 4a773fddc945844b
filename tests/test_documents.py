"""The documents say what the program does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from tui_trainer.cli.reference import commands, render
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.events import KINDS
from tui_trainer.core.query import parse_query
from tui_trainer.core.query_keys import ALIASES, NUMBERS, STATE_WORDS, TEXTS
from tui_trainer.dashboard.bindings import Place, keys_of
from tui_trainer.dashboard.terminal import GLYPHS_VARIABLE, Glyphs
from tui_trainer.store.preferences import FILE as PREFERENCES_FILE

_ROOT = Path(__file__).parents[1]
_DOCUMENTS = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{file.name}" for file in (_ROOT / "docs").glob("*.md")),
]

_KEY_SECTIONS: dict[Place, str] = {
    "runs": "In the list of runs",
    "run": "In a run",
    "compare": "Comparing",
    "charts": "Over charts",
    "form": "In the form",
    "help": "On the help page",
    "everywhere": "Everywhere",
}


def _read(name: str) -> str:
    return (_ROOT / name).read_text(encoding="utf-8")


def _section(name: str, title: str) -> str:
    """What stands under a heading of a document, up to the next heading of any level."""
    found = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", _read(name), re.M | re.S)
    assert len(found) == 1, f"{name}: {title}"
    return str(found[0])


def _first_column(section: str) -> list[str]:
    """What stands as code in the first column of the tables of a section."""
    cells = re.findall(r"^\| ((?:\\\||[^|\n])*?) \|", section, re.M)
    return [code.replace(r"\|", "|") for cell in cells for code in re.findall(r"`([^`]+)`", cell)]


def test_the_reference_is_the_program() -> None:
    assert _read("docs/REFERENCE.md") == render(), (
        "run: python -m tui_trainer.cli.reference > docs/REFERENCE.md"
    )


def test_every_command_and_option_has_help() -> None:
    paths = []
    for path, command in commands():
        paths.append(path)
        assert command.help, path
        for parameter in command.params:
            assert parameter.help, f"{path} {parameter.name}"
    assert len(paths) == len(set(paths)) > 15


@pytest.mark.parametrize("path", [path for path, _ in commands()])
def test_the_reference_names_every_command_and_option(path: str) -> None:
    reference = _read("docs/REFERENCE.md")
    assert f"### `{path}" in reference
    section = reference.split(f"### `{path}")[1].split("###")[0]
    command = dict(commands())[path]
    for parameter in command.params:
        for name in parameter.opts:
            if name.startswith("--") and name != "--help":
                assert name in section


def test_the_reference_names_every_setting() -> None:
    reference = _read("docs/REFERENCE.md")
    assert all(f"`{key}`" in reference for key in all_fields())


def test_every_kind_of_event_is_documented() -> None:
    text = _read("docs/RUN_FOLDER.md")
    assert [kind for kind in KINDS if f"`{kind}`" not in text] == []


@pytest.mark.parametrize("place", get_args(Place))
def test_every_key_of_a_place_is_documented_and_no_other(place: Place) -> None:
    documented = _first_column(_section("docs/DASHBOARD.md", _KEY_SECTIONS[place]))
    assert sorted(documented) == sorted(key.shown for key in keys_of(place))


def test_every_word_of_a_filter_is_documented() -> None:
    section = _section("docs/DASHBOARD.md", "Filtering")
    words = (*TEXTS, *NUMBERS, *ALIASES, *STATE_WORDS)
    assert [word for word in words if f"`{word}`" not in section] == []


def test_every_filter_shown_is_one() -> None:
    filters = _first_column(_section("docs/DASHBOARD.md", "Filtering"))
    assert len(filters) > 8
    assert all(parse_query(text).text == text for text in filters)


def test_what_chooses_how_the_dashboard_looks_is_documented() -> None:
    text = _read("docs/DASHBOARD.md")
    assert f"`{GLYPHS_VARIABLE}=" in text and "`NO_COLOR`" in text and PREFERENCES_FILE in text
    assert all(glyphs in text for glyphs in get_args(Glyphs))


def test_the_floors_are_those_that_imports_are_checked_by() -> None:
    contract = tomllib.loads(_read("pyproject.toml"))["tool"]["importlinter"]["contracts"][0]
    floors = _section("ARCHITECTURE.md", "Floors").split("```")[1]
    shown = re.findall(r"^(\S+(?: \| \S+)*)  ", floors, re.M)
    assert shown == [layer.replace("tui_trainer.", "") for layer in contract["layers"]]


def test_what_to_change_is_where_it_is_said_to_be() -> None:
    table = _section("ARCHITECTURE.md", "Where to change what")
    paths = re.findall(r"`([a-z_/]+(?:\.py|/))`", table)
    assert len(paths) > 20
    for path in paths:
        assert (_ROOT / "tui_trainer" / path).exists(), path
    for constant, path in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)` in `([^`]+)`", table):
        assert re.search(rf"^{constant}\b", _read(f"tui_trainer/{path}"), re.M), constant


def test_the_readme_names_every_package() -> None:
    tree = _section("README.md", "Where things are")
    packages = [file.parent.name for file in (_ROOT / "tui_trainer").glob("*/__init__.py")]
    assert len(packages) > 10
    assert [name for name in packages if f" {name}/" not in tree] == []


def test_every_command_shown_in_a_document_exists() -> None:
    known = {path for path, _ in commands()}
    groups = {path.rsplit(" ", 1)[0] for path in known}
    for name in _DOCUMENTS:
        for line in re.findall(r"(?:^|`|/)(tuitrain [^`\n#]+)", _read(name), re.MULTILINE):
            words = [w for w in line.split() if re.fullmatch(r"[a-z][a-z-]*", w)]
            path = next((" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in known), None)
            assert path or " ".join(words[:2]) in groups or len(words) == 1, f"{name}: {line}"


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", _read(name)):
        if not target.startswith("http"):
            assert ((_ROOT / name).parent / target).exists(), f"{name}: {target}"


def test_every_dependency_has_its_line() -> None:
    project = tomllib.loads(_read("pyproject.toml"))["project"]
    architecture = _read("ARCHITECTURE.md")
    table = architecture.split("## Dependencies")[1]
    for requirement in project["dependencies"]:
        name = re.split(r"[<>=]", requirement)[0]
        assert re.search(rf"[| ,]{re.escape(name)}[ ,|]", table), name


def test_the_readme_stands_on_two_commands() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", _read("README.md"), re.DOTALL)
    install, test = blocks[:2]
    assert len(install.splitlines()) == len(test.splitlines()) == 1
    assert install.strip().endswith("tuitrain train digits")
    assert "pytest" in test
