"""Tables in text files become features and labels, exactly and told."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.data.prepare.reading import Read, read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.source import Source
from tui_trainer.data.prepare.tables.csv_files import open_csv
from tui_trainer.errors import DatasetError

PLAIN = PreparationConfig()


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def open_text(folder: Path, text: str, **settings: Any) -> Source:
    return open_csv(write(folder / "table.csv", text), PreparationConfig(**settings))


def read_text(folder: Path, text: str, **settings: Any) -> tuple[Source, Read]:
    source = open_text(folder, text, **settings)
    return source, read_all(source)


def test_numbers_and_classes_are_read_as_they_stand(tmp_path: Path) -> None:
    source, read = read_text(tmp_path, "a,b,label\n1,2.5,x\n-3,4e-3,y\n0.1,7,x\n")
    assert source.facts.features == ("a", "b")
    assert source.facts.classes == ("x", "y")
    assert source.facts.task == "classification"
    assert read.inputs.tolist() == np.array([[1, 2.5], [-3, 4e-3], [0.1, 7]], np.float32).tolist()
    assert read.labels.tolist() == [0, 1, 0]
    assert not read.skipped


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_dialects_are_found_out(
    tmp_path: Path, delimiter: str, line_end: str, encoding: str
) -> None:
    rows = ["größe,farbe,label", '1,"rot, hell",Ä', "2,blau,B", "3,blau,Ä", "4,blau,B"]
    text = line_end.join(rows).replace(",", delimiter).replace(f"rot{delimiter}", "rot,")
    source = open_csv(write(tmp_path / "t.csv", text, encoding), PLAIN)
    assert source.facts.features == ("größe", "farbe=blau", "farbe=rot, hell")
    assert source.facts.classes == ("B", "Ä")
    assert read_all(source).inputs[:, 0].tolist() == [1, 2, 3, 4]


def test_a_table_without_header_has_numbered_columns(tmp_path: Path) -> None:
    source, read = read_text(tmp_path, "1,2,5\n3,4,6\n5,6,5\n7,8,6\n", label="2", task="regression")
    assert source.facts.features == ("column 1", "column 3")
    assert source.facts.targets == ("2",)
    assert read.labels.tolist() == [[2], [4], [6], [8]]
    assert read.inputs.tolist() == [[1, 5], [3, 6], [5, 5], [7, 6]]


def test_a_header_over_numbers_named_by_numbers_is_a_header(tmp_path: Path) -> None:
    source, read = read_text(tmp_path, "label,0,1\n7,1,2\n8,3,4\n7,1,2\n8,1,1\n")
    assert source.facts.features == ("0", "1")
    assert source.facts.classes == ("7", "8")
    assert len(read.numbers) == 4


@pytest.mark.parametrize("name", ["label", "Labels", "CLASS", "target", "y"])
def test_the_label_is_found_by_its_name(tmp_path: Path, name: str) -> None:
    source = open_text(tmp_path, f"{name},b\nx,1\ny,2\nx,3\n")
    assert source.facts.classes == ("x", "y")
    assert f"labels from column '{name}'" in source.facts.origin


def test_else_the_label_is_the_last_column_and_that_is_told(tmp_path: Path) -> None:
    source = open_text(tmp_path, "a,b,kind\n1,1,x\n2,2,y\n")
    assert source.facts.classes == ("x", "y")
    assert "labels from column 'kind'" in source.facts.origin


def test_the_unnamed_column_of_row_numbers_is_no_feature(tmp_path: Path) -> None:
    source = open_text(tmp_path, ",a,label\n0,5,x\n1,6,y\n")
    assert source.facts.features == ("a",)
    assert "unnamed" in source.facts.origin


def test_columns_are_chosen_by_name(tmp_path: Path) -> None:
    text = '"a, b",c,d,e\n1,2,3,x\n4,5,6,y\n'
    source, read = read_text(tmp_path, text, inputs='"a, b",d', label="e")
    assert source.facts.features == ("a, b", "d")
    assert read.inputs.tolist() == [[1, 3], [4, 6]]


def test_a_missing_number_is_the_median_and_a_feature_says_so(tmp_path: Path) -> None:
    rows = [("1", "x"), ("", "y"), ("NA", "x"), ("3", "y"), ("?", "x"), ("10", "y"), ("nan", "x")]
    text = "a,b,label\n" + "".join(f"{a},1,{label}\n" for a, label in rows)
    source, read = read_text(tmp_path, text)
    assert source.facts.features == ("a", "a is missing", "b")
    assert read.inputs[:, 0].tolist() == [1, 3, 3, 3, 3, 10, 3]
    assert read.inputs[:, 1].tolist() == [0, 1, 1, 0, 1, 0, 1]
    assert "missing numbers are the median: a 3" in source.facts.origin


def test_texts_become_a_feature_for_each_value(tmp_path: Path) -> None:
    source, read = read_text(tmp_path, "c,n,label\nred,1,x\nblue,2,y\n,3,x\nred,4,y\n")
    assert source.facts.features == ("c=blue", "c=red", "c is missing", "n")
    assert read.inputs[:, :3].tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_a_column_of_many_texts_is_named(tmp_path: Path) -> None:
    text = "id,n,label\n" + "".join(f"u{n},{n},{n % 2}\n" for n in range(100))
    with pytest.raises(DatasetError) as caught:
        open_text(tmp_path, text)
    assert "'id'" in caught.value.message
    assert "--inputs" in caught.value.hint
    assert open_text(tmp_path, text, inputs="n").facts.features == ("n",)


def test_an_empty_column_is_left_out_and_told(tmp_path: Path) -> None:
    source = open_text(tmp_path, "a,b,label\n1,,x\n2,,y\n")
    assert source.facts.features == ("a",)
    assert "without columns that are empty: b" in source.facts.origin


def test_what_is_found_late_counts_as_if_it_were_first(tmp_path: Path) -> None:
    """Columns that look like numbers for thousands of rows, and are texts or have gaps later."""
    rows = [f"{n % 7},{n},{n % 3}.0,{n % 2}" for n in range(9000)]
    rows[8999] = "1,,2.0,1"
    rows[8998] = "1,3,2.0,0"
    rows[8000:8200] = [f"many,{n},1.0,{n % 2}" for n in range(200)]
    source, read = read_text(tmp_path, "a,b,c,label\n" + "\n".join(rows) + "\n")
    assert source.facts.features[:3] == ("a=0", "a=1", "a=2")
    assert "a=many" in source.facts.features
    assert source.facts.features[-3:] == ("b", "b is missing", "c")
    assert len(read.numbers) == 9000
    assert read.inputs[8999].tolist()[-2:] == [1, 2]
    assert not read.skipped


def test_gaps_are_the_same_however_a_row_is_read(tmp_path: Path) -> None:
    """Rows of which numpy can read all, and the same with a quoted field, which it is not given."""
    rows = [["", "", "", "x"], ["1", "", "k", "y"], ["2", "3", "", ""], ["", "4", "m", "x"]] * 1500
    header, quoted = "a,b,c,label\n", '5,6,"k",y\n'
    plain = "\n".join(",".join(row) for row in rows) + "\n"
    text = header + plain + "".join(f"{line}\n{quoted}" for line in plain.splitlines())
    source, read = read_text(tmp_path, text)
    assert source.facts.features[3] == "b is missing"
    assert not np.isnan(read.inputs).any()
    kept = [row for row in rows if row[3]]
    first, second = read.inputs[: len(kept)], read.inputs[len(kept) :]
    is_quoted = second[:, 0] == 5
    assert np.array_equal(second[~is_quoted], first)
    assert first[:3, 1].tolist() == [1, 0, 1]
    assert first[:3, 3].tolist() == [1, 1, 0]
    assert first[:3, 4:].tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("late", [False, True])
def test_a_row_with_no_number_where_one_should_be_is_skipped(tmp_path: Path, late: bool) -> None:
    rows = [f"{n},{n % 2}" for n in range(5000)]
    place = 4990 if late else 10
    rows[place], rows[place + 1], rows[place + 2] = "oops,1", "inf,0", "1e39,1"
    source, read = read_text(tmp_path, "a,label\n" + "\n".join(rows))
    assert len(source.labels_N) == 4997
    assert list(read.reasons) == [f"row {place + 2 + n}" for n in range(3)]
    assert "'oops' in column 'a'" in read.reasons[f"row {place + 2}"]
    expected = [n for n in range(5000) if not place <= n < place + 3]
    assert read.inputs[:, 0].tolist() == expected
    assert read.labels.tolist() == [n % 2 for n in expected]


def test_whole_numbers_are_classes_by_their_value(tmp_path: Path) -> None:
    source, read = read_text(tmp_path, "a,y\n1,10\n2,9\n3,9.0\n4,10\n5,-1\n6,-1\n")
    assert source.facts.classes == ("-1", "9", "10")
    assert read.labels.tolist() == [2, 1, 1, 2, 0, 0]


def test_a_mistake_among_labels_that_are_numbers_is_set_aside(tmp_path: Path) -> None:
    rows = [f"1,{n % 3}" for n in range(300)]
    source = open_text(tmp_path, "a,y\n" + "\n".join([*rows, "1,oops"]))
    assert source.facts.classes == ("0", "1", "2")
    assert [one.name for one in source.skipped] == ["row 302"]
    assert source.skipped[0].reason == "its label 'oops' is no number like the others"
    source = open_text(tmp_path, "a,y\n" + "\n".join([*rows, *["1,none of them"] * 30]))
    assert source.facts.classes == ("0", "1", "2", "none of them")


def test_large_whole_numbers_stay_exact(tmp_path: Path) -> None:
    a, b = 2**60 + 1, 2**60 + 2
    source = open_text(tmp_path, f"a,y\n1,{a}\n2,{b}\n3,{a}\n4,{b}\n", task="classification")
    assert source.facts.classes == (str(a), str(b))


def test_numbers_with_fractions_or_once_only_are_a_regression(tmp_path: Path) -> None:
    source, read = read_text(tmp_path, "a,y\n1,1.5\n2,1.5\n3,2\n")
    assert source.facts.task == "regression"
    assert read.labels.tolist() == [[1.5], [1.5], [2]]
    assert open_text(tmp_path, "a,y\n1,1\n2,2\n3,2\n").facts.task == "regression"


def test_more_numbers_than_classes_may_be_are_still_read(tmp_path: Path) -> None:
    rows = [f"1,{n}.25" for n in range(12_000)]
    _, read = read_text(tmp_path, "a,y\n" + "\n".join(rows))
    assert read.labels[:, 0].tolist() == [n + 0.25 for n in range(12_000)]


def test_the_task_is_as_wanted(tmp_path: Path) -> None:
    text = "a,y\n1,1\n2,2\n3,2\n4,1\n"
    assert open_text(tmp_path, text).facts.task == "classification"
    assert open_text(tmp_path, text, task="regression").facts.targets == ("y",)
    with pytest.raises(DatasetError, match="no numbers"):
        open_text(tmp_path, "a,y\n1,x\n2,y\n", task="regression")


def test_several_columns_of_0_and_1_hold_or_not(tmp_path: Path) -> None:
    source, read = read_text(tmp_path, "a,wet,hot\n1,0,1\n2,1,1\n3,0,0\n", label="wet,hot")
    assert source.facts.task == "multilabel"
    assert source.facts.classes == ("wet", "hot")
    assert read.labels.tolist() == [[0, 1], [1, 1], [0, 0]]


def test_several_columns_of_numbers_are_targets(tmp_path: Path) -> None:
    source, read = read_text(tmp_path, "a,u,v\n1,0.5,1\n2,1,7\n3,,0\n", label="u,v")
    assert source.facts.targets == ("u", "v")
    assert read.labels.tolist() == [[0.5, 1], [1, 7]]
    assert read.reasons == {"row 4": "it has no label in 'u'"}


def test_tags_are_taken_apart_only_if_wanted(tmp_path: Path) -> None:
    text = "a,tags\n1,b;a\n2,a | c\n3,\n4,b\n"
    source, read = read_text(tmp_path, text, task="multilabel")
    assert source.facts.classes == ("a", "b", "c")
    assert read.labels.tolist() == [[1, 1, 0], [1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert open_text(tmp_path, text).facts.task == "classification"


def test_a_column_split_gives_the_splits(tmp_path: Path) -> None:
    text = "a,label,split\n1,x,train\n2,y,TEST\n3,x,val\n4,y,later\n5,y,train\n"
    source, read = read_text(tmp_path, text)
    assert source.splits_N is not None
    assert source.splits_N.tolist() == [0, 1, 2, 0]
    assert read.reasons == {"row 5": "its split 'later' is not train, test or validation"}
    assert source.facts.features == ("a",)


def test_a_folder_of_tables_gives_the_splits(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", "a,c,label\n1,k,x\n2,k,y\n")
    write(tmp_path / "test.tsv", "a\tc\tlabel\n3\tm\tx\nno\tm\ty\tz\n")
    (tmp_path / "val.csv.gz").write_bytes(gzip.compress(b"a,c,label\n4,k,y\n"))
    source = open_csv(tmp_path, PLAIN)
    read = read_all(source)
    assert source.splits_N is not None
    assert source.splits_N.tolist() == [0, 0, 1, 2]
    assert read.inputs.tolist() == [[1, 1, 0], [2, 1, 0], [3, 0, 1], [4, 1, 0]]
    assert read.reasons == {"test.tsv row 3": "it has 4 fields, not 3"}
    assert len(source.stamps) == 3


def test_a_table_may_name_images(tmp_path: Path) -> None:
    for number in range(4):
        pixels = np.full((6, 6, 3), number * 20, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    rows = "0.png,x,3\n1.png,y,3\n2.png,x,3\n../4.png,y,3\n/etc/5.png,y,3\n3.png,y,3\n"
    write(tmp_path / "labels.csv", f"image,label,age\n{rows}")
    source = open_csv(tmp_path / "labels.csv", PLAIN)
    read = read_all(source)
    assert source.facts.kind == "image"
    assert source.facts.classes == ("x", "y")
    assert read.labels.tolist() == [0, 1, 0, 1]
    assert [int(image.max()) for image in read.inputs] == [0, 20, 40, 60]
    assert len(read.skipped) == 2


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "u16.csv", "quoted.csv"])
def test_every_block_can_be_read_by_itself(tmp_path: Path, name: str) -> None:
    rows = [[str(n), f"{n / 7!r}", f'"k{n % 3}\n"'] for n in range(9000)]
    text = "n,s,label\n" + "\n".join(",".join(row) for row in rows)
    text = text if name == "quoted.csv" else text.replace('"', "").replace("\n\n", "\n")
    content = text.encode("utf-16" if name == "u16.csv" else "utf-8")
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    source = open_csv(path, PLAIN)
    tasks = list(source.tasks())
    assert len(tasks) > 2
    blocks = [task() for task in (*reversed(tasks), tasks[1])]
    numbers = np.concatenate([block.numbers_B for block in blocks])
    inputs = np.concatenate([block.inputs for block in blocks])
    assert np.array_equal(inputs[:, 0], numbers)
    assert np.array_equal(inputs[:, 1], (numbers / 7).astype(np.float32))
    assert source.labels_N.tolist() == [n % 3 for n in range(9000)]


_NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs"]),
    min_size=1,
    max_size=6,
)


@given(data=st.data(), delimiter=st.sampled_from(",;\t|"))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, delimiter: str
) -> None:
    width, count = data.draw(st.integers(1, 4)), data.draw(st.integers(4, 12))
    value = st.floats(width=32, allow_nan=False, allow_infinity=False)
    table = data.draw(
        st.lists(st.lists(value, min_size=width, max_size=width), min_size=count, max_size=count)
    )
    labels = [f"c {name}" for name in data.draw(st.lists(_NAMES, min_size=count, max_size=count))]
    labels[:2] = ["one, two", 'thr"ee']
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow([*(f"f{n}" for n in range(width)), "label"])
        writer.writerows([*map(repr, row), label] for row, label in zip(table, labels, strict=True))
    source = open_csv(path, PLAIN)
    read = read_all(source)
    assert np.array_equal(read.inputs, np.array(table, np.float32))
    assert [source.facts.classes[label] for label in read.labels] == labels
