"""A source that changed is noticed, whatever of it changed and however large it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.prepare.images.pictures import encode, noise
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import prepared_name
from tui_trainer.core.specs import DatasetSpec, SourceFacts
from tui_trainer.data.prepare import prepare_dataset, source
from tui_trainer.data.prepare.engine import Preparation
from tui_trainer.data.prepare.images import files
from tui_trainer.data.prepare.images.folder import open_folder
from tui_trainer.errors import DatasetError
from tui_trainer.store.datasets import has_changed, read_spec, verify_dataset
from tui_trainer.store.source_stamps import STAMP_LIST

CLASSES = ("cat", "dog")
PICTURE = encode(noise(6, 6), "PNG")


@pytest.fixture(params=["few", "many"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the files of the sources below are so many that they are listed by themselves."""
    if request.param == "many":
        monkeypatch.setattr(source, "MOST_STAMPS", 4)
    return str(request.param)


class Prepared:
    """A dataset prepared from a source."""

    def __init__(self, data_dir: Path, reference: str, **way: object) -> None:
        self.data_dir, self.reference = data_dir, reference
        self._way = PreparationConfig(**{"max_bad": 0.5, **way})  # type: ignore[arg-type]
        self.spec = self.prepare()

    def prepare(self) -> DatasetSpec:
        self.spec = prepare_dataset(self.data_dir, self.reference, self._way, processes=1)
        return self.spec

    def has_changed(self, *, is_thorough: bool = True) -> bool:
        return has_changed(self.data_dir, self.spec, is_thorough=is_thorough)

    @property
    def manifest_inode(self) -> int:
        return (self.data_dir / self.spec.name / "dataset.json").stat().st_ino


def write_pictures(root: Path, count: int = 6) -> list[str]:
    names = [f"{CLASSES[n % 2]}/{n}.png" for n in range(count)]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PICTURE)
    return names


def write_table(file: Path, names: list[str]) -> None:
    rows = "".join(f"{name},{CLASSES[n % 2]}\n" for n, name in enumerate(names))
    file.write_text(f"file,label\n{rows}")


def from_folder(root: Path) -> str:
    write_pictures(root)
    return f"folder:{root}"


def from_labelled_folder(root: Path) -> str:
    write_table(root / "labels.csv", write_pictures(root))
    return f"folder:{root}"


def from_table(root: Path) -> str:
    write_table(root / "photos.csv", write_pictures(root))
    return f"csv:{root / 'photos.csv'}"


def from_texts(root: Path) -> str:
    for number in range(6):
        file = root / CLASSES[number % 2] / f"{number}.txt"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"text number {number}")
    return f"text:{root}"


def write_over(root: Path) -> None:
    """So that no folder tells of it, and the size stays."""
    (file,) = root.glob("cat/4.*")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    before = file.stat().st_mtime_ns
    file.write_bytes(content)
    os.utime(file, ns=(0, before + 1))


def remove_one(root: Path) -> None:
    next(root.glob("cat/4.*")).unlink()


FORMS = [from_folder, from_labelled_folder, from_table, from_texts]


@pytest.mark.parametrize("change", [write_over, remove_one])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("size")
def test_a_file_that_is_another_is_noticed(
    tmp_path: Path, form: Callable[[Path], str], change: Callable[[Path], None]
) -> None:
    root = tmp_path / "source"
    root.mkdir()
    made = Prepared(tmp_path / "data", form(root))
    assert not made.has_changed()
    inode = made.manifest_inode
    made.prepare()
    assert made.manifest_inode == inode
    change(root)
    assert made.has_changed()
    made.prepare()
    assert made.manifest_inode != inode
    assert not made.has_changed()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.usefixtures("size")
def test_what_was_prepared_stays_good_when_its_source_is_gone(
    tmp_path: Path, form: Callable[[Path], str]
) -> None:
    root = tmp_path / "source"
    root.mkdir()
    made = Prepared(tmp_path / "data", form(root))
    root.rename(tmp_path / "elsewhere")
    assert not made.has_changed()


def test_a_look_that_is_not_thorough_is_at_the_first_only(tmp_path: Path, size: str) -> None:
    made = Prepared(tmp_path / "data", from_table(tmp_path))
    assert (STAMP_LIST in made.spec.files) == (size == "many")
    write_over(tmp_path)
    assert made.has_changed(is_thorough=False) == (size == "few")
    write_table(tmp_path / "photos.csv", write_pictures(tmp_path, 8))
    assert made.has_changed(is_thorough=False)


@pytest.mark.usefixtures("size")
def test_a_picture_that_was_missing_is_noticed_and_a_stranger_is_not(tmp_path: Path) -> None:
    names = write_pictures(tmp_path)
    write_table(tmp_path / "photos.csv", [*names, "cat/later.png", "../outside.png"])
    made = Prepared(tmp_path / "data", f"csv:{tmp_path / 'photos.csv'}")
    assert made.spec.skipped_count == 2
    (tmp_path.parent / "outside.png").write_bytes(PICTURE)
    (tmp_path / "cat" / "notebook.ipynb").write_text("{}")
    assert not made.has_changed()
    (tmp_path / "cat" / "later.png").write_bytes(PICTURE)
    assert made.has_changed()
    assert made.prepare().skipped_count == 1


@pytest.mark.usefixtures("size")
def test_a_picture_whose_name_is_no_text_is_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "source"
    reference = from_folder(root)
    odd = root / "cat" / os.fsdecode(b"\xff\xfe.png")
    odd.write_bytes(PICTURE)
    made = Prepared(tmp_path / "data", reference)
    assert not made.has_changed()
    odd.write_bytes(encode(noise(6, 7), "PNG"))
    assert made.has_changed()


@pytest.mark.parametrize("prefix", ["csv", "text"])
def test_a_split_that_is_added_is_noticed(tmp_path: Path, prefix: str) -> None:
    root = tmp_path / "source"
    root.mkdir()
    for split in ("train", "test"):
        rows = "".join(f"{split} words {n},{CLASSES[n % 2]}\n" for n in range(6))
        (root / f"{split}.csv").write_text(f"text,label\n{rows}")
    made = Prepared(tmp_path / "data", f"{prefix}:{root}")
    (root / "notes.md").write_text("about it")
    assert not made.has_changed()
    (root / "validation.csv").write_bytes((root / "test.csv").read_bytes())
    assert made.has_changed()
    assert set(made.prepare().splits) == {"train", "test", "validation"}


@pytest.mark.usefixtures("size")
def test_of_joined_sources_each_is_looked_at(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        from_folder(tmp_path / name)
    made = Prepared(tmp_path / "data", f"folder:{tmp_path / 'one'}+folder:{tmp_path / 'two'}")
    for name in ("one", "two"):
        assert not made.has_changed()
        write_over(tmp_path / name)
        assert made.has_changed()
        made.prepare()


@pytest.mark.parametrize("content", [None, b"", b"1 2\0", b"/tmp\x001 2 x\0"])
def test_a_damaged_list_is_found_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    monkeypatch.setattr(source, "MOST_STAMPS", 4)
    made = Prepared(tmp_path / "data", from_table(tmp_path))
    file = tmp_path / "data" / made.spec.name / STAMP_LIST
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert made.has_changed()
    with pytest.raises(DatasetError):
        verify_dataset(tmp_path / "data", made.spec.name)
    made.prepare()
    assert not made.has_changed()
    verify_dataset(tmp_path / "data", made.spec.name)


@pytest.mark.parametrize("is_changed", [False, True])
def test_an_interrupted_preparation_goes_on_with_the_same_pictures_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str, is_changed: bool
) -> None:
    monkeypatch.setattr(files, "_BLOCK_COUNT", 2)
    root, way = tmp_path / "source", PreparationConfig(max_bad=0.5)
    reference = from_folder(root)
    origin = SourceFacts(reference=reference, preparation=way)
    name = prepared_name(reference, way)

    def begin() -> Preparation:
        return Preparation(tmp_path / "data", name, open_folder(root, way), origin, 1)

    def break_off(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin().run(break_off)
    if is_changed:
        write_over(root)
    said: list[str] = []
    reached: list[int] = []
    spec = begin().run(lambda done, total: reached.append(done), said.append)
    assert reached[0] == (0 if is_changed else 4)
    assert len(said) == is_changed
    assert not has_changed(tmp_path / "data", spec)
    assert verify_dataset(tmp_path / "data", name) == 6 + (size == "many")
    write_over(root)
    assert has_changed(tmp_path / "data", spec)


class Items:
    """A class of a person's own, which says what it reads."""

    classes = CLASSES

    def __init__(self, source_files: object) -> None:
        self.source_files = source_files

    def __len__(self) -> int:
        return 10

    def __getitem__(self, number: int) -> tuple[list[float], int]:
        return [float(number), 1.0], number % 2


def prepare_items(root: Path, source_files: object) -> DatasetSpec:
    code = root / "own.py"
    code.write_text("")
    return prepare_dataset(
        root / "data",
        f"{code}:Items",
        load_items=lambda name: {"": Items(source_files)},
        processes=1,
    )


def test_what_an_own_class_says_it_reads_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.bin").write_bytes(b"1")
    spec = prepare_items(tmp_path, ["rows.bin", tmp_path / "later.bin"])
    assert not has_changed(tmp_path / "data", spec)
    for name in ("rows.bin", "later.bin", "own.py"):
        (tmp_path / name).write_bytes(b"22")
        assert has_changed(tmp_path / "data", spec)
        spec = prepare_items(tmp_path, ["rows.bin", tmp_path / "later.bin"])
        assert not has_changed(tmp_path / "data", spec)


@pytest.mark.parametrize("named", ["rows.bin", 3, [3], {"rows.bin": 1}])
def test_an_own_class_must_name_its_files_in_a_list(tmp_path: Path, named: object) -> None:
    with pytest.raises(DatasetError, match="is no list of paths"):
        prepare_items(tmp_path, named)


def test_a_manifest_without_a_list_is_read(tmp_path: Path) -> None:
    made = Prepared(tmp_path / "data", from_table(tmp_path))
    assert STAMP_LIST not in made.spec.files
    assert read_spec(tmp_path / "data", made.spec.name) == made.spec
