"""The consents of this machine to a user's own code."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from tui_trainer import paths
from tui_trainer.errors import ConfigError
from tui_trainer.store.trust import TrustStore, make_gate

_A, _B = "a" * 64, "b" * 64


@pytest.fixture
def store(tmp_path: Path) -> TrustStore:
    return TrustStore(tmp_path / "state" / "tuitrain")


@pytest.fixture
def net(tmp_path: Path) -> Path:
    file = tmp_path / "net.py"
    file.write_text("")
    return file


def _damage(store: TrustStore, content: bytes) -> None:
    store.file.parent.mkdir(parents=True, exist_ok=True)
    store.file.write_bytes(content)
    store.file.chmod(0o600)


def test_nothing_is_trusted_at_first(store: TrustStore, net: Path) -> None:
    assert store.read() == ((), "")
    assert not store.is_trusted(_A, net)
    assert not store.knows_path(net)
    assert not store.file.parent.exists()


def test_a_consent_stays_for_those_bytes_at_that_path(store: TrustStore, net: Path) -> None:
    store.trust(_A, net)
    again = TrustStore(store.file.parent)
    assert again.is_trusted(_A, net)
    assert again.knows_path(net)
    assert not again.is_trusted(_B, net)
    # Beside the same bytes elsewhere lie other files to import.
    assert not again.is_trusted(_A, net.with_name("elsewhere.py"))
    consent = again.read()[0][0]
    assert (consent.sha256, consent.path) == (_A, str(net))
    assert consent.t > 1e9


def test_a_path_is_the_same_through_a_link(store: TrustStore, net: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.py"
    link.symlink_to(net)
    store.trust(_A, link)
    assert store.is_trusted(_A, net)
    link.unlink()
    link.write_text("")
    assert not store.is_trusted(_A, link)


def test_the_file_is_private(store: TrustStore, net: Path) -> None:
    store.trust(_A, net)
    assert store.file.stat().st_mode & 0o777 == 0o600
    assert store.file.parent.stat().st_mode & 0o777 == 0o700


def test_consenting_again_writes_nothing(store: TrustStore, net: Path) -> None:
    store.trust(_A, net)
    before = store.file.stat().st_ino
    store.trust(_A, net)
    assert store.file.stat().st_ino == before
    store.trust(_B, net)
    assert store.is_trusted(_A, net) and store.is_trusted(_B, net)


def test_consents_given_at_the_same_time_are_all_kept(store: TrustStore, tmp_path: Path) -> None:
    hashes = [f"{number:064x}" for number in range(16)]
    threads = [threading.Thread(target=store.trust, args=(h, tmp_path / h)) for h in hashes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(store.is_trusted(h, tmp_path / h) for h in hashes)


def test_only_a_hash_is_a_hash(store: TrustStore, net: Path) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        store.trust("A" * 64, net)


_WHOLE = json.dumps({"v": 1, "consents": [{"sha256": _A, "path": "/net.py", "t": 1.0}]}).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "damaged"),
        (b"\xff\xfe", "damaged"),
        (_WHOLE[:-2], "damaged"),
        pytest.param(b"[" * 100_000, "damaged", id="deeply nested"),
        (_WHOLE.replace(b"1.0", b'"x"'), "damaged"),
        (_WHOLE.replace(_A.encode(), b"a"), "damaged"),
        (_WHOLE.replace(b'"v": 1', b'"v": 2'), "version 2"),
        pytest.param(b" " * (16 * 1024 * 1024 + 1), "too large", id="16 MiB and a byte"),
    ],
)
def test_a_damaged_file_trusts_nothing_and_says_so(
    store: TrustStore, content: bytes, says: str
) -> None:
    _damage(store, content)
    consents, damage = store.read()
    assert consents == ()
    assert says in damage
    assert not store.is_trusted(_A, Path("/net.py"))


def test_a_whole_file_is_no_damage(store: TrustStore) -> None:
    _damage(store, _WHOLE)
    assert store.is_trusted(_A, Path("/net.py"))


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_can_write_trusts_nothing(store: TrustStore, mode: int) -> None:
    _damage(store, _WHOLE)
    store.file.chmod(mode)
    assert not store.is_trusted(_A, Path("/net.py"))
    assert "others" in store.read()[1]


def test_a_damaged_file_is_set_aside_by_the_next_consent(store: TrustStore, net: Path) -> None:
    _damage(store, b"precious")
    store.trust(_A, net)
    assert store.read()[1] == ""
    assert store.is_trusted(_A, net)
    assert store.file.with_suffix(".damaged").read_bytes() == b"precious"


def test_a_folder_in_the_place_of_the_file_is_damage(store: TrustStore, net: Path) -> None:
    store.file.mkdir(parents=True)
    assert "cannot be read" in store.read()[1]


def test_the_gate_lets_through_what_is_named_and_remembers_it(store: TrustStore, net: Path) -> None:
    said: list[str] = []
    name = f"{net}:Net"
    make_gate([name], store, say=said.append)(name, _A, net)
    assert store.is_trusted(_A, net)
    make_gate([], store, say=said.append)(name, _A, net)
    assert said == []


def test_consent_is_to_a_file_whatever_is_taken_from_it(store: TrustStore, net: Path) -> None:
    make_gate([f"{net}:Net"], store, say=print)(f"{net}:loss", _A, net)
    make_gate([], store, say=print)(f"{net}:metric", _A, net)


def test_the_gate_stops_what_was_never_run(store: TrustStore, net: Path) -> None:
    with pytest.raises(ConfigError, match="has not been run on this machine before") as caught:
        make_gate([f"{net}x:Net", "Net"], store, say=print)(f"{net}:Net", _A, net)
    assert "--trust-code" in caught.value.hint
    assert not store.file.exists()


def test_the_gate_stops_what_has_changed(store: TrustStore, net: Path) -> None:
    store.trust(_A, net)
    with pytest.raises(ConfigError, match="has changed since it last ran"):
        make_gate([], store, say=print)(f"{net}:Net", _B, net)


def test_the_gate_says_which_file_a_module_is(store: TrustStore, net: Path) -> None:
    with pytest.raises(ConfigError, match=f"nets.small:Net, which is {net}, has not been run"):
        make_gate([], store, say=print)("nets.small:Net", _A, net)


def test_everything_can_be_trusted_for_once(store: TrustStore, net: Path) -> None:
    make_gate([], store, trust_all=True, say=print)("nets.small:Net", _A, net)
    assert store.is_trusted(_A, net)


def test_the_gate_says_damage_and_stays_closed(store: TrustStore, net: Path) -> None:
    _damage(store, b"{")
    said: list[str] = []
    with pytest.raises(ConfigError):
        make_gate([], store, say=said.append)(f"{net}:Net", _A, net)
    assert len(said) == 1
    assert "damaged" in said[0] and str(store.file) in said[0]


def test_a_consent_that_cannot_be_kept_is_said_and_the_code_runs(tmp_path: Path, net: Path) -> None:
    (tmp_path / "file").write_text("")
    store = TrustStore(tmp_path / "file" / "state")
    said: list[str] = []
    make_gate(["n:N"], store, say=said.append)("n:N", _A, net)
    assert any("could not be kept" in line for line in said)


def test_a_path_that_is_not_text_can_be_trusted(store: TrustStore) -> None:
    odd = Path(os.fsdecode(b"/tmp/\xff.py"))
    store.trust(_A, odd)
    assert store.is_trusted(_A, odd)
    assert store.read()[1] == ""


def test_the_state_folder_is_the_users_own_or_the_one_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(paths.STATE_VARIABLE, str(tmp_path))
    assert paths.choose_state_dir() == tmp_path
    monkeypatch.delenv(paths.STATE_VARIABLE)
    assert paths.choose_state_dir().name == "tuitrain"
    assert paths.choose_state_dir().is_absolute()
