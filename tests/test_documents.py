"""The documents say what the program does."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tui_trainer.cli.reference import commands, render
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.events import KINDS

_ROOT = Path(__file__).parents[1]
_DOCUMENTS = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(f"docs/{file.name}" for file in (_ROOT / "docs").glob("*.md")),
]


def _read(name: str) -> str:
    return (_ROOT / name).read_text(encoding="utf-8")


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
