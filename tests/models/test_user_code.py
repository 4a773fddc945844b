"""A user's own code is found, hashed and run as it was read, and nothing else is."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import os
import pickle
import py_compile
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui_trainer.errors import ConfigError, ModelError, TuitrainError
from tui_trainer.models.user_code import (
    LoadedCode,
    UserCodeError,
    explain_failure,
    load_code,
    note_code,
)
from tui_trainer.store.trust import TrustStore, make_gate


@pytest.fixture(autouse=True)
def _own_imports() -> Iterator[None]:
    """What a test imports is forgotten at its end."""
    path, modules, finders = sys.path[:], dict(sys.modules), sys.meta_path[:]
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    assert sys.meta_path == finders


def _pass(name: str, sha256: str, path: Path) -> None:
    """A gate that stands open."""


def write(file: Path, source: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(source))
    return file


def load(name: str, folder: Path, role: str = "model") -> LoadedCode:
    return load_code(name, role=role, folder=folder, gate=_pass)  # type: ignore[arg-type]


def refused(name: str, folder: Path, role: str = "model") -> str:
    """The two sentences that loading `name` is refused with."""
    with pytest.raises(TuitrainError) as caught:
        load(name, folder, role)
    assert isinstance(caught.value, ModelError if role == "model" else ConfigError)
    assert caught.value.hint
    told = f"{caught.value.message} {caught.value.hint}"
    assert all(ord(character) >= 32 for character in told), told
    assert len(told) < 2000
    return told


def test_a_file_is_loaded_with_the_hash_of_its_bytes(tmp_path: Path) -> None:
    file = write(tmp_path / "net.py", "class Net: pass")
    code = load("net.py:Net", tmp_path)
    assert code.object.__name__ == "Net"
    assert code.path == file
    assert code.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert note_code([code]) == {"net.py:Net": code.sha256}
    assert code.title == "model net.py:Net"


def test_a_path_may_be_absolute_go_up_or_begin_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "net.py", "x = 1")
    (tmp_path / "sub").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (f"{file}:x", "../net.py:x", "~/net.py:x"):
        assert load(name, tmp_path / "sub").object == 1


def test_the_gate_is_asked_before_anything_runs(tmp_path: Path) -> None:
    file = write(tmp_path / "net.py", "open('ran', 'w')")
    asked = []

    def gate(name: str, sha256: str, path: Path) -> None:
        asked.append((name, sha256, path))
        raise ConfigError("No.", "Never.")

    path = sys.path[:]
    with pytest.raises(ConfigError, match=r"^No\.$"):
        load_code("net.py:Net", role="model", folder=tmp_path, gate=gate)
    assert asked == [("net.py:Net", hashlib.sha256(file.read_bytes()).hexdigest(), file)]
    assert not Path("ran").exists()
    assert sys.path == path


def test_a_module_of_a_package_is_gated_before_its_parents_run(tmp_path: Path) -> None:
    write(tmp_path / "pkg_gated/__init__.py", "raise SystemExit('ran')")
    write(tmp_path / "pkg_gated/net.py", "x = 1")
    gate = make_gate([], TrustStore(tmp_path / "state"), say=print)
    with pytest.raises(ConfigError, match="has not been run"):
        load_code("pkg_gated.net:x", role="model", folder=tmp_path, gate=gate)
    assert "pkg_gated" not in sys.modules


def test_a_file_that_changed_after_the_consent_does_not_run(tmp_path: Path) -> None:
    file = write(tmp_path / "net.py", "x = 1")
    store = TrustStore(tmp_path / "state")
    name = f"{file}:x"
    opened = make_gate([name], store, say=print)
    assert load_code(name, role="model", folder=tmp_path, gate=opened).object == 1
    closed = make_gate([], store, say=print)
    assert load_code(name, role="model", folder=tmp_path, gate=closed).object == 1
    file.write_text("x = 2")
    with pytest.raises(ConfigError, match="has changed since"):
        load_code(name, role="model", folder=tmp_path, gate=closed)


def test_what_was_hashed_runs_though_the_file_changes_in_between(tmp_path: Path) -> None:
    file = write(tmp_path / "net.py", "x = 'hashed'")

    def gate(name: str, sha256: str, path: Path) -> None:
        file.write_text("x = 'swapped'")

    code = load_code("net.py:x", role="model", folder=tmp_path, gate=gate)
    assert code.object == "hashed"


def _plant_stale_pyc(file: Path) -> None:
    """Beside `file`, compiled code that is not of it, but looks as if by time and size."""
    source, status = file.read_text(), file.stat()
    file.write_text(source.replace("good", "evil"))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    py_compile.compile(str(file), doraise=True)
    file.write_text(source)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_stale_pyc_is_never_run(tmp_path: Path) -> None:
    write(tmp_path / "pkg_stale/__init__.py", "")
    for file in (tmp_path / "net.py", tmp_path / "mod_stale.py", tmp_path / "pkg_stale/net.py"):
        write(file, "x = 'good'")
        _plant_stale_pyc(file)
    # Python itself is taken in.
    spec = importlib.util.spec_from_file_location("taken_in", tmp_path / "net.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.x == "evil"
    for name in ("net.py:x", "mod_stale:x", "pkg_stale.net:x"):
        assert load(name, tmp_path).object == "good"


def test_a_file_is_run_once_whatever_is_taken_from_it(tmp_path: Path) -> None:
    write(tmp_path / "net.py", "a = object()\nb = a")
    assert load("net.py:a", tmp_path).object is load("net.py:b", tmp_path, "loss").object


def test_a_file_that_changed_is_another_module(tmp_path: Path) -> None:
    file = write(tmp_path / "net.py", "x = 1")
    assert load("net.py:x", tmp_path).object == 1
    file.write_text("x = 2")
    assert load("net.py:x", tmp_path).object == 2


def test_files_of_one_name_are_different_modules(tmp_path: Path) -> None:
    write(tmp_path / "a/net.py", "x = 1")
    write(tmp_path / "b/net.py", "x = 1\ny = __file__")
    assert load("a/net.py:x", tmp_path).object == 1
    assert load("b/net.py:y", tmp_path).object == str(tmp_path / "b/net.py")


def test_pickle_inspect_and_dataclasses_work_inside(tmp_path: Path) -> None:
    write(
        tmp_path / "odd name-1.py",
        """\
        from __future__ import annotations
        import dataclasses
        from typing import ClassVar

        @dataclasses.dataclass
        class Point:
            kind: ClassVar[str] = "point"
            x: int = 3
        """,
    )
    point = load("odd name-1.py:Point", tmp_path).object
    assert pickle.loads(pickle.dumps(point(4))) == point(4)  # noqa: S301 - made here
    assert "x: int = 3" in inspect.getsource(point)
    assert [field.name for field in __import__("dataclasses").fields(point)] == ["x"]


def test_our_own_future_imports_do_not_hold_in_theirs(tmp_path: Path) -> None:
    write(tmp_path / "net.py", "def f(a: int): pass\nkind = type(f.__annotations__['a'])")
    assert load("net.py:kind", tmp_path).object is type


def test_a_file_imports_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "deep/neighbour_a.py", "x = 7")
    write(tmp_path / "deep/net.py", "from neighbour_a import x")
    assert load("deep/net.py:x", tmp_path).object == 7


def test_a_module_of_a_package_imports_its_relatives(tmp_path: Path) -> None:
    write(tmp_path / "pkg_rel/__init__.py", "from pkg_rel.net import x as again")
    write(tmp_path / "pkg_rel/base.py", "x = object()")
    write(tmp_path / "pkg_rel/deep/__init__.py", "")
    write(tmp_path / "pkg_rel/net.py", "from .base import x\nfrom . import base")
    write(tmp_path / "pkg_rel/deep/net.py", "from ..net import x")
    x = load("pkg_rel.net:x", tmp_path).object
    assert load("pkg_rel.deep.net:x", tmp_path).object is x
    assert load("pkg_rel:again", tmp_path).object is x
    assert sys.modules["pkg_rel.net"].__package__ == "pkg_rel"


def test_folders_without_init_are_packages_too(tmp_path: Path) -> None:
    write(tmp_path / "plain_folder/inner/net.py", "from . import base\nx = base.x")
    write(tmp_path / "plain_folder/inner/base.py", "x = 5")
    assert load("plain_folder.inner.net:x", tmp_path).object == 5
    assert "without __init__.py" in refused("plain_folder.inner:x", tmp_path)


def test_an_installed_module_needs_no_second_run(tmp_path: Path) -> None:
    import json

    assert load("json:loads", tmp_path).object is json.loads
    assert str(tmp_path) in sys.path[-1:]


_HOSTILE = """
import sys
from pathlib import Path
from tui_trainer.models.user_code import load_code
folder = Path(sys.argv[1])
for name in ("net.py:Net", "pkg_hostile.net:Net"):
    code = load_code(name, role="model", folder=folder, gate=lambda *_: None)
    assert code.path.is_relative_to(folder)
import random, torch, secrets, tui_trainer
for module in (random, torch, secrets, tui_trainer):
    assert not Path(module.__file__).is_relative_to(folder), module
import beside
assert Path(beside.__file__).is_relative_to(folder)
"""


def test_files_beside_it_hide_nothing_that_is_installed(tmp_path: Path) -> None:
    for hidden in ("random", "torch", "secrets", "tui_trainer", "numpy"):
        write(tmp_path / f"{hidden}.py", f"raise SystemExit('{hidden} was hidden')")
    write(tmp_path / "beside.py", "")
    source = "import random, secrets\nfrom torch import nn\nclass Net(nn.Module): pass\n"
    write(tmp_path / "net.py", source)
    write(tmp_path / "pkg_hostile/net.py", source)
    done = subprocess.run(
        [sys.executable, "-P", "-c", _HOSTILE, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_a_module_of_the_working_folder_cannot_take_an_installed_ones_place(
    tmp_path: Path,
) -> None:
    write(tmp_path / "random.py", "Random = None")
    import random

    assert load("random:Random", tmp_path).object is random.Random


def test_another_module_of_that_name_is_said(tmp_path: Path) -> None:
    write(tmp_path / "taken_name.py", "x = 1")
    sys.modules["taken_name"] = type(sys)("taken_name")
    assert "hidden by another module named taken_name" in refused("taken_name:x", tmp_path)


def test_a_module_that_changed_while_in_use_is_said(tmp_path: Path) -> None:
    file = write(tmp_path / "changing.py", "x = 1")
    load("changing:x", tmp_path)
    file.write_text("x = 2")
    assert "changed while it was in use" in refused("changing:x", tmp_path)


def test_a_missing_file_is_said_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "network.py", "")
    told = refused("netwrok.py:Net", tmp_path)
    assert f"there is no file {tmp_path / 'netwrok.py'}" in told
    assert "Did you mean network.py?" in told
    assert "there is no file" in refused("none/netwrok.py:Net", tmp_path)
    assert "there is no file" in refused("network.py/net.py:Net", tmp_path)


def test_what_is_no_file_of_source_is_said(tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    assert "is not a file" in refused("folder.py:Net", tmp_path)
    os.mkfifo(tmp_path / "pipe.py")
    assert "is not a file" in refused("pipe.py:Net", tmp_path)
    (tmp_path / "loop.py").symlink_to("loop.py")
    assert "cannot be read" in refused("loop.py:Net", tmp_path)
    (tmp_path / "zero.py").symlink_to("/dev/zero")
    assert "is not a file" in refused("zero.py:Net", tmp_path)
    with open(tmp_path / "huge.py", "wb") as file:
        file.truncate(17 << 20)
    assert "larger than 16 MiB" in refused("huge.py:Net", tmp_path)
    assert "cannot be read" in refused(f"{'n' * 300}.py:Net", tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    write(tmp_path / "net.py", "").chmod(0)
    assert "cannot be read: Permission denied" in refused("net.py:Net", tmp_path)


def test_a_link_is_followed(tmp_path: Path) -> None:
    write(tmp_path / "there/real.py", "x = 1")
    (tmp_path / "net.py").symlink_to("there/real.py")
    assert load("net.py:x", tmp_path).object == 1


def test_a_missing_module_is_said_with_where_it_was_looked_for(tmp_path: Path) -> None:
    write(tmp_path / "pkg_near/__init__.py", "")
    write(tmp_path / "pkg_near/small.py", "")
    assert str(tmp_path) in refused("no_such_module:Net", tmp_path)
    told = refused("pkg_near.smal:Net", tmp_path)
    assert f"the package pkg_near in {tmp_path / 'pkg_near'}" in told
    assert "Did you mean pkg_near.small?" in told
    assert "a plain module" in refused("pkg_near.small.deep:Net", tmp_path)
    assert "pkg_near" not in sys.modules


def test_a_module_that_is_not_source_is_said(tmp_path: Path) -> None:
    (tmp_path / "compiled_mod.pyc").write_bytes(b"")
    assert "not Python source" in refused("compiled_mod:Net", tmp_path)
    assert "there is no module sys" in refused("sys:exit", tmp_path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"x = (\n", "is not valid Python: '(' was never closed, line 1"),
        (b"\n\ndef f(:\n", "line 3"),
        (b"\n  x = 1\n y = 2", "line 2"),
        (b"x = '\xff'", "is not UTF-8 text"),
        (b"# -*- coding: nonsense -*-\n", "is not UTF-8 text"),
        (b"x = 1\x00", "null bytes"),
        (b"(" * 100_000, "net.py"),
        (b"-" * 1_000_000 + b"1", "net.py"),
        (b"return 1", "'return' outside function, line 1"),
    ],
)
def test_a_file_that_is_not_python_is_said_before_it_is_trusted_or_run(
    tmp_path: Path, content: bytes, says: str
) -> None:
    (tmp_path / "net.py").write_bytes(content)
    assert says in refused("net.py:Net", tmp_path)


def test_a_declared_encoding_is_obeyed(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_bytes("# coding: latin-1\nx = 'é'".encode("latin-1"))
    assert load("net.py:x", tmp_path).object == "é"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("\nraise ValueError('bad\\nnews')", "ValueError: bad news, line 2 of net.py"),
        ("def f():\n    1 / 0\nf()", "ZeroDivisionError: division by zero, line 2 of net.py"),
        ("import no_such_thing_here", "ModuleNotFoundError: No module named"),
        ("import broken_neighbour", "line 3"),
        ("import sys\nsys.exit(3)", "SystemExit: 3, line 2 of net.py"),
        ("raise RuntimeError('\\x1b]0;title\\x07x' * 9999)", "RuntimeError"),
        ("def f(): f()\nf()", "RecursionError"),
        (
            "class E(Exception):\n  def __str__(self): raise OSError\nraise E",
            "cannot be had: OSErr",
        ),
        ("raise type('E\\x1b[2J', (Exception,), {})", "line 1 of net.py"),
        ("from tui_trainer.errors import TuitrainError\nraise TuitrainError('hm')", "line 2"),
    ],
)
def test_what_raises_when_it_is_imported_is_said_with_its_line(
    tmp_path: Path, source: str, says: str
) -> None:
    write(tmp_path / "broken_neighbour.py", "\n\nx = (")
    write(tmp_path / "net.py", source)
    told = refused("net.py:Net", tmp_path)
    assert "The model net.py:Net fails when it is imported" in told
    assert says in told
    # Nothing half made stays for the next one who asks.
    assert not [name for name in sys.modules if name.startswith("tuitrain_user_net")]


def test_an_interruption_of_the_import_goes_through(tmp_path: Path) -> None:
    write(tmp_path / "net.py", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load("net.py:Net", tmp_path)


def test_a_missing_attribute_is_said_with_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "net.py", "import json\nclass Network: pass\ndef loss(a, b): pass\nx = 1")
    told = refused("net.py:Netwrok", tmp_path)
    assert "has no Netwrok" in told and "Did you mean Network?" in told
    assert "Choose one of: Network, loss." in refused("net.py:zzz", tmp_path)
    write(tmp_path / "empty.py", "")
    assert "Define it at the top level" in refused("empty.py:Net", tmp_path, "loss")


def test_an_attribute_that_raises_is_said(tmp_path: Path) -> None:
    write(tmp_path / "net.py", "def __getattr__(name):\n    raise OSError('gone')")
    assert "OSError: gone, line 2 of net.py" in refused("net.py:Net", tmp_path)


def test_the_error_is_of_the_part_that_it_belongs_to(tmp_path: Path) -> None:
    assert "The loss none.py:f" in refused("none.py:f", tmp_path, "loss")
    assert "The metric none.py:f" in refused("none.py:f", tmp_path, "metric")


def test_a_later_failure_is_laid_at_the_door_of_the_file_it_passed_through(
    tmp_path: Path,
) -> None:
    write(tmp_path / "loss.py", "def f(a, b):\n    return a[b]")
    write(tmp_path / "net.py", "def g(a):\n    return a.x")
    loaded = [load("net.py:g", tmp_path), load("loss.py:f", tmp_path, "loss")]
    with pytest.raises(IndexError) as caught:
        loaded[1].object([], 3)
    explanation = explain_failure(caught.value, loaded)
    assert isinstance(explanation, UserCodeError)
    assert explanation.message == (
        "The loss loss.py:f fails in training: IndexError: list index out of range, "
        "line 2 of loss.py."
    )
    assert explanation.__cause__ is caught.value
    assert explain_failure(ValueError("ours"), loaded) is None
    assert explain_failure(ConfigError("ours"), loaded) is None
    assert explain_failure(KeyboardInterrupt(), loaded) is None
