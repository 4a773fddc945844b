"""The parts of the command line that are functions of values."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from tests import builders
from tui_trainer.cli import evaluate, live, logs, training
from tui_trainer.cli.runs import query
from tui_trainer.cli.setting_options import SETTING_OPTIONS, setting_option
from tui_trainer.core import events
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.jobs import JobResult, failure
from tui_trainer.core.run_record import Annotations, RunRecord
from tui_trainer.core.run_state import LogFold, RunSnapshot, RunState, apply
from tui_trainer.errors import ReportedError, StorageError, UsageError, WorkerError
from tui_trainer.launch import starting
from tui_trainer.store.run_folder import RunFolder

MakeRun = Callable[..., RunFolder]
GIB = 1 << 30


def fold(*history: events.Event) -> RunSnapshot:
    snapshot = LogFold().snapshot
    for event in builders.numbered(history):
        snapshot = apply(snapshot, event)
    return snapshot


def record(snapshot: RunSnapshot, state: RunState = RunState.RUNNING, name: str = "") -> RunRecord:
    return RunRecord(
        run="run7", path="/runs/run7", state=state, snapshot=snapshot,
        annotations=Annotations(name=name),
    )  # fmt: skip


def epoch_finished(epoch: int = 1) -> events.EpochFinished:
    return events.EpochFinished(
        epoch=epoch, step=10 * epoch, train={"loss": 0.25, "accuracy": 0.9},
        samples_per_s=12_345.0, duration_s=2.0,
    )  # fmt: skip


def resources(device: events.DeviceResources | None = None) -> events.Resources:
    return events.Resources(
        process_bytes=GIB, host_used_bytes=GIB, host_total_bytes=8 * GIB, cpu_utilization=0.5,
        device=device,
    )  # fmt: skip


TRAINED = (builders.session_start(), builders.steps(1, 10), resources())


def describe(*history: events.Event) -> list[str]:
    """The lines that a history is worth, each told with the snapshot after its event."""
    epochs: list[events.EpochFinished] = []
    snapshot, lines = LogFold().snapshot, []
    for event in builders.numbered(history):
        snapshot = apply(snapshot, event)
        line = live.history_line(event, epochs, snapshot)
        if line is not None:
            lines.append(line)
    return lines


def test_start_tells_what_is_trained_where_and_how_long() -> None:
    (line,) = describe(builders.session_start(parameters=24_058))
    for part in ("digits · convnet (24 058 parameters)", "cpu a processor", "3 epochs of 10 steps"):
        assert part in line
    (line,) = describe(builders.session_start(epochs=1, steps_per_epoch=1))
    assert "1 epoch of 1 step" in line
    assert "epochs" not in line
    (line,) = describe(builders.resumed(1234))
    assert line.endswith("resumed at step 1 234, exact")
    (line,) = describe(builders.resumed(0))
    assert line.endswith("resumed at step 0")


def test_epoch_is_one_line_with_its_validation() -> None:
    history = (*TRAINED[:2], epoch_finished(), builders.evaluated())
    assert describe(*history)[1:] == [
        "epoch 1/3  loss 0.2500  accuracy 0.9000  val loss 0.5000  accuracy 0.8000 best  "
        "12 345 samples/s  2.0s"
    ]
    worse = builders.evaluated(step=20, metrics={"loss": 0.6, "accuracy": 0.7})
    assert " best" not in describe(*history, epoch_finished(2), worse)[-1]


def test_epochs_that_come_at_once_are_each_marked_that_were_best(
    capsys: pytest.CaptureFixture[str],
) -> None:
    saved = events.CheckpointSaved(
        step=10,
        epoch=1,
        folder="step-10",
        manifest_sha256="",
        best=True,
        size_bytes=1,
        duration_s=0.1,
    )
    better = builders.evaluated(step=20, metrics={"loss": 0.4, "accuracy": 0.9})
    worse = builders.evaluated(step=30, metrics={"loss": 0.6, "accuracy": 0.7})
    history = [
        *TRAINED[:2], epoch_finished(), builders.evaluated(), saved,
        epoch_finished(2), better, replace(saved, step=20, epoch=2),
        epoch_finished(3), worse, replace(saved, step=30, epoch=3, best=False),
    ]  # fmt: skip
    live.PlainProgress().show(list(builders.numbered(history)), record(fold(*history)))
    marks = [" best " in line for line in capsys.readouterr().err.splitlines()[1:]]
    assert marks == [True, True, False]


def test_epoch_without_validation_is_told_at_once() -> None:
    history = (builders.session_start(validation_count=0), epoch_finished())
    assert describe(*history)[1:] == [
        "epoch 1/3  loss 0.2500  accuracy 0.9000  12 345 samples/s  2.0s"
    ]


def test_only_what_a_person_needs_is_worth_a_line() -> None:
    told = events.Diagnosed(code="slow", severity="warning", seen="It is slow.", advice="Wait.")
    assert describe(events.Message(text="hello"), told) == ["hello", "slow: It is slow. Wait."]
    assert describe(
        builders.steps(), resources(), builders.evaluated("test"), epoch_finished()
    ) == ["epoch 1/0  loss 0.2500  accuracy 0.9000  12 345 samples/s  2.0s"]


@pytest.mark.parametrize("width", [1, 20, 40, 80, 120, 300])
def test_live_lines_never_exceed_the_terminal(width: int) -> None:
    rendered = live.render_progress(record(fold(*TRAINED)), width)
    lines = rendered.plain.split("\n")
    assert len(lines) == 2
    assert all(len(line) <= width for line in lines)


def test_live_lines_say_where_the_run_stands() -> None:
    history = (*TRAINED, epoch_finished(), builders.evaluated())
    first, second = live.render_progress(record(fold(*history), name="night"), 200).plain.split(
        "\n"
    )
    assert first.startswith("night  ▰▰▰▰▰▰▰▱▱▱▱▱▱▱▱▱▱▱▱▱  33%  running  epoch 2/3  step 10/30")
    for part in ("loss 0.1000", "val accuracy 0.8000", "640 samples/s", "memory 1.0 GiB"):
        assert part in second


def test_live_lines_before_the_first_event_claim_nothing() -> None:
    first, second = live.render_progress(record(RunSnapshot(), RunState.STARTING), 200).plain.split(
        "\n"
    )
    assert "0%  starting  epoch 0/0  step 0/0" in first
    assert "left –" in second
    assert "memory –" in second


def test_memory_of_a_gpu_is_told_of_its_total() -> None:
    gpu = events.DeviceResources(
        allocated_bytes=GIB, reserved_bytes=2 * GIB, peak_bytes=3 * GIB, total_bytes=140 * GIB
    )
    rendered = live.render_progress(record(fold(*TRAINED, resources(gpu))), 200)
    assert rendered.plain.endswith("memory 2.0 GiB of 140.0 GiB")


@pytest.mark.parametrize(("detach", "dashboard"), [(True, True), (False, True)])
def test_manner_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, detach: bool, dashboard: bool
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    with pytest.raises(UsageError):
        training.Manner(detach=detach, dashboard=dashboard, as_json=False)


@pytest.mark.parametrize("name", SETTING_OPTIONS)
def test_option_of_a_setting_takes_its_help_from_the_setting(name: str) -> None:
    option: Any = setting_option(name)
    field = all_fields()[SETTING_OPTIONS[name]]
    assert option.help.lower().startswith(field.meaning.lower().split(":")[0])
    if field.allowed.startswith("one of"):
        assert field.allowed in option.help
    flag = f"--{name.replace('_', '-')}"
    assert option.default == (
        f"{flag}/--no-{flag[2:]}" if field.allowed == "true or false" else flag
    )


def test_every_setting_but_the_dataset_is_an_option() -> None:
    assert {*SETTING_OPTIONS.values(), "data.dataset"} == all_fields().keys()


def test_worker_log_is_read_on_as_it_grows(make_run: MakeRun) -> None:
    folder = make_run()
    assert not logs.has_worker_log(folder)
    tail = logs.tail_worker_log(folder)
    assert next(tail) == []
    with open(folder.worker_log, "ab", buffering=0) as file:
        file.write("first\nsecond ü".encode()[:-1])
        assert logs.has_worker_log(folder)
        assert next(tail) == ["first"]
        file.write("ü".encode()[1:] + b"\n10%\r50%\r100%\r\n")
        assert next(tail) == ["second ü", "100%"]
        file.write(b"\x1b[31mred\x1b[0m\xff\n")
        assert next(tail) == ["red\N{REPLACEMENT CHARACTER}"]
        assert next(tail) == []


def test_last_line_without_its_end_is_shown_once_nothing_more_comes(make_run: MakeRun) -> None:
    folder = make_run()
    folder.worker_log.write_text("a\nlast words")
    turns = list(itertools.islice(logs.tail_worker_log(folder), 3))
    assert turns == [["a"], ["last words"], []]


def test_event_lines_are_cut_and_numbered(make_run: MakeRun) -> None:
    folder = make_run(builders.session_start(), builders.steps(1, 500), builders.failed())
    start, steps, end = next(logs.tail_events(folder))
    assert start.split()[1:3] == ["1", "run_started"]
    assert "[1.0 … 0.002, 500 values]" in steps
    assert len(steps) <= 400
    assert "message it broke" in end


def test_record_without_figures_ends_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    training.print_ending(record(RunSnapshot(), RunState.FAILED))
    printed = capsys.readouterr()
    assert printed.out.startswith("run7 failed  0 of 0 epochs")
    assert printed.err.startswith("next: tuitrain resume run7")
    told = replace(fold(*TRAINED, builders.evaluated(), builders.evaluated("test")), elapsed_s=61.0)
    training.print_ending(record(told, RunState.FINISHED))
    out = capsys.readouterr().out
    assert "test accuracy 0.8000" in out
    assert "best validation accuracy 0.8000 at step 10" in out
    assert "trained 1:01" in out


def test_ending_before_the_last_epoch_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    why = "stopped early: validation was not better for 2 epoch(s)"
    ended = events.Finished(step=20, epoch=2, reason=why)
    training.print_ending(record(fold(*TRAINED, ended), RunState.FINISHED))
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("run7 finished  2 of 3 epochs")
    assert second == why
    training.print_ending(record(fold(*TRAINED, replace(ended, reason="all epochs trained"))))
    assert "all epochs" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("session", "what"), [("new", "run1 failed: no"), ("", "run1 was not resumed: no")]
)
def test_resume_that_is_refused_is_not_said_to_have_failed(
    make_run: MakeRun, session: str, what: str
) -> None:
    resumed = [builders.resumed(30, session=session)] if session else []
    ended = events.Finished(step=30, epoch=3)
    folder = make_run(builders.session_start(), ended, *resumed)
    folder.worker_log.write_text("")

    class Refusing:
        log = folder.worker_log

        def wait(self) -> JobResult:
            return failure(StorageError("no", "None."))

    with pytest.raises(ReportedError) as caught:
        starting.settle(folder, Refusing(), "new")  # type: ignore[arg-type]
    assert caught.value.message == what


def test_worker_that_died_of_a_full_disk_is_said_to_have(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run()

    class Silent:
        log = folder.worker_log

        def wait(self) -> JobResult:
            raise WorkerError("The worker process ended without a result: exit status 1.", "")

    monkeypatch.setattr(
        starting.shutil, "disk_usage", lambda path: SimpleNamespace(free=0, used=1, total=1)
    )
    with pytest.raises(StorageError, match="is full") as caught:
        starting.settle(folder, Silent(), "new")  # type: ignore[arg-type]
    assert "tuitrain resume run1" in caught.value.hint


def test_what_a_run_is_judged_by_is_told_in_place_of_accuracy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    epoch = replace(epoch_finished(), train={"loss": 0.25})
    judged = builders.evaluated(metrics={"loss": 0.5, "rmse": 54.25, "r2": 0.5})
    worse = builders.evaluated(step=20, metrics={"loss": 0.4, "rmse": 60.0, "r2": 0.4})
    tested = builders.evaluated("test", step=30, metrics={"loss": 0.5, "rmse": 56.5})
    start = builders.session_start(metric="rmse")
    history = [start, epoch, judged, epoch, worse, tested]
    lines = describe(*history)
    assert "loss 0.2500  val loss 0.5000  rmse 54.2500 best" in lines[1]
    assert "rmse 60.0000 " in lines[2] and " best" not in lines[2]
    assert not any("accuracy" in line for line in lines)
    run = record(fold(*history), RunState.FINISHED)
    assert "val rmse 60.0000" in live.render_progress(run, 200).plain
    training.print_ending(run)
    out = capsys.readouterr().out
    assert "test rmse 56.5000" in out and "best validation rmse 54.2500 at step 10" in out
    assert query._row(run)[6:8] == ["rmse 54.2500", "56.5000"]
    assert ("best", "rmse 54.2500 at step 10") in query._facts(run)


_MISTAKES: dict[str, dict[str, Any]] = {
    "multilabel": {"labels": ["even"], "predicted": [], "loss": 2.0},
    "regression": {
        "target": "height", "value": 160.0, "predicted": 185.5, "error": 25.5, "deviations": 2.55,
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("task", "rows", "told"),
    [
        (
            "multilabel",
            {"classes": [{"class": "even", "count": 3, "precision": None, "recall": 0.5,
                          "f1": 0.25, "average_precision": 0.75}]},
            ["average precision", "even", "0.7500", "sample 4: even taken for none"],
        ),
        (
            "regression",
            {"targets": [{"target": "height", "rmse": 12.5, "mae": 8.0, "r2": None}]},
            ["RMSE", "height", "12.5000", "height 160.000 predicted as 185.500, 2.5 deviations"],
        ),
    ],
)  # fmt: skip
def test_a_report_is_printed_by_its_task(
    capsys: pytest.CaptureFixture[str], task: str, rows: dict[str, Any], told: list[str]
) -> None:
    report = {
        "run": "run1", "checkpoint": "step-1", "split": "test", "count": 9, "task": task,
        "loss": 0.5, "report": "report.json", "mistakes": [{"index": 4} | _MISTAKES[task]],
    }  # fmt: skip
    evaluate._print(report | rows, [])
    out = capsys.readouterr().out
    assert all(text in out for text in told), out
