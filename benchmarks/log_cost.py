"""What logging costs the training loop, per step and of its time.

python -m benchmarks.log_cost
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.engine import make_job, mnist_settings
from benchmarks.log_probe import Chunk, measure_live
from benchmarks.options import Options, make_parser, require_prepared, to_options
from benchmarks.processes import scratch_folder
from benchmarks.report import describe
from benchmarks.results import Result, Row, load_note, save
from benchmarks.statistics import Target, estimate_median, interleave, paired_ratios

_BLOCK = 100
_REPLAYED_STEPS = 20_000
_RIVAL_STEPS = 2_000
_CHUNK_STEPS = 400


def main() -> None:
    """Measure, save and print."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--chunks", type=int, default=30, help="chunks of 400 steps, live")
    parser.add_argument("--segments", type=int, default=30, help="segments, without training")
    given = parser.parse_args()
    options = to_options(given)
    require_prepared(options, "mnist")
    if options.quick:
        given.chunks, given.segments = 6, 6
    load = load_note()
    with scratch_folder() as folder:
        replayed, rival, blocks_of_100 = _measure_blocks(
            options, folder, given.chunks, given.segments
        )
        rhythm = measure_live(_make_job(options, folder), **_chunks(given.chunks))
    rows = _make_rows(replayed, rival, blocks_of_100, rhythm)
    result = make_result(options, rows, load)
    save(options.results, result.name, result)
    print(describe(result))


def _make_job(options: Options, folder: Path) -> Any:
    settings = mnist_settings(options.device, options.threads, epochs=100_000)
    return make_job(options.data_dir, folder / "runs", settings)


def _chunks(count: int) -> dict[str, Any]:
    return {"chunks": count, "chunk_steps": _CHUNK_STEPS}


def _measure_blocks(
    options: Options, folder: Path, chunks: int, segments: int
) -> tuple[list[float], list[float], list[Chunk]]:
    """Seconds a step at block size 100: without training, of the rival, and while training."""
    seconds: dict[str, list[float]] = {}

    def compare(reporter: Any) -> None:
        contestants = {
            "ours": lambda: reporter.replay(_REPLAYED_STEPS, _BLOCK),
            "rival": _make_rival(folder / "rival"),
        }
        for measure in contestants.values():
            measure()
        seconds.update(interleave(contestants, segments))

    live = measure_live(
        _make_job(options, folder), **_chunks(chunks), block_steps=_BLOCK, then=compare
    )
    return seconds["ours"], seconds["rival"], live


def _make_rival(folder: Path) -> Callable[[], float]:
    """tensorboardX called in every step, as most loops do, with numbers that are there already."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(str(folder))
    step = 0

    def measure() -> float:
        nonlocal step
        since = time.perf_counter()
        for _ in range(_RIVAL_STEPS):
            step += 1
            writer.add_scalar("loss", 0.25, step)
        return (time.perf_counter() - since) / _RIVAL_STEPS

    return measure


def _make_rows(
    replayed: Sequence[float],
    rival: Sequence[float],
    blocks_of_100: Sequence[Chunk],
    rhythm: Sequence[Chunk],
) -> tuple[Row, ...]:
    def per_step(chunks: Sequence[Chunk]) -> Any:
        return estimate_median([chunk.logging_s / chunk.steps for chunk in chunks]).scaled(1e6)

    shares = [chunk.logging_s / chunk.wall_s for chunk in rhythm]
    return (
        Row(
            what="logging a step, blocks of 100, the log alone",
            figure=estimate_median(replayed).scaled(1e6),
            unit="µs",
            target=Target(2.0, at_least=False),
        ),
        Row(
            what="logging a step, blocks of 100, while training",
            figure=per_step(blocks_of_100),
            unit="µs",
        ),
        Row(
            what="logging a step, a block every 100 ms, while training",
            figure=per_step(rhythm),
            unit="µs",
        ),
        Row(
            what="logging's share of the run's time, a block every 100 ms",
            figure=estimate_median(shares).scaled(100),
            unit="%",
            target=Target(1.0, at_least=False),
        ),
        Row(
            what="tensorboardX's add_scalar, once a step",
            figure=estimate_median(rival).scaled(1e6),
            unit="µs",
        ),
        Row(
            what="add_scalar / logging a step, the log alone",
            figure=estimate_median(paired_ratios(rival, replayed)),
            unit="×",
        ),
    )


def make_result(options: Options, rows: tuple[Row, ...], load: str) -> Result:
    """What was compared, and the rows."""
    return Result(
        name="log_cost",
        title="Cost of logging",
        device=options.device,
        compared=(
            "The time that the training loop spends on its log, of a real run of mnist-example "
            "with batch 64: giving a step the place for its figures, taking note of it, bringing a "
            "block of them to the host, making an event of them, writing it, the summary and the "
            "TensorBoard points, sampling memory and load; not the computation of the figures, "
            "which leaves them in that place instead of in tensors of their own. `The log alone` "
            f"repeats the figures of 100 real steps in {_REPLAYED_STEPS} steps without training "
            "between them. `While training` has a clock around each part, whose own time is "
            "counted as logging; it also carries what happens once a second (TensorBoard, "
            "summary, samples), which the log alone, being so quick, hardly meets."
        ),
        rows=rows,
        notes=(load,),
        is_quick=options.quick,
    )


if __name__ == "__main__":
    main()
