"""Wall time from pressing Enter to 99 % on MNIST: tuitrain against the classic PyTorch example.

python -m benchmarks.time_to_99
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mnist_files import lay_out
from benchmarks.options import Options, make_parser, require_prepared, to_options
from benchmarks.processes import ROOT, clean_environment, run, scratch_folder, tuitrain_command
from benchmarks.report import describe
from benchmarks.results import Result, Row, load_note, save
from benchmarks.statistics import Estimate, Target, estimate_median, interleave, paired_ratios

_ACCURACY = 0.99
_TARGET = 15.0


@dataclass(frozen=True)
class Trained:
    """One training, as a whole command: its seed, its wall time, its test accuracy."""

    seed: int
    wall_s: float
    accuracy: float
    epochs: int


def main() -> None:
    """Measure, save and print."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--pairs", type=int, default=5, help="interleaved pairs for the ratio")
    parser.add_argument("--seeds", type=int, default=10, help="seeds of tuitrain in all")
    parser.add_argument("--preset", default="fast", help="tuitrain's preset")
    parser.add_argument("--epochs", help="tuitrain's epochs, if not the preset's")
    given = parser.parse_args()
    if given.quick:
        given.pairs, given.seeds = 1, 1
    if given.pairs < 1:
        parser.error("a ratio needs at least one pair")
    options = to_options(given)
    require_prepared(options, "mnist")
    load = load_note()
    with scratch_folder() as folder:
        commands = _Commands(options, given, folder, lay_out(options.data_dir, folder / "root"))
        alone = [commands.train_ours() for _ in range(given.seeds - given.pairs)]
        ours: list[Trained] = []
        classic: list[Trained] = []
        for pair in range(given.pairs):
            trained = interleave(
                {"ours": commands.train_ours, "classic": commands.train_classic}, 1, seed=pair
            )
            ours += trained["ours"]
            classic += trained["classic"]
            # A pair takes minutes: what ends this early leaves the pairs before.
            result = make_result(ours + alone, classic, options, given, load)
            save(options.results, result.name, result)
    print(describe(result))


class _Commands:
    """The two commands, each run with seeds 1, 2, 3 …"""

    def __init__(
        self, options: Options, given: argparse.Namespace, folder: Path, mnist_root: Path
    ) -> None:
        self._folder = folder
        self._threads = str(options.threads)
        self._device = options.device
        self._root = mnist_root
        self._data_dir = str(options.data_dir)
        self._recipe = ["--preset", given.preset]
        self._recipe += ["--epochs", given.epochs] if given.epochs else []
        self._next_seed = {"ours": 1, "classic": 1}

    def train_ours(self) -> Trained:
        """`tuitrain train mnist` in a runs folder of its own."""
        seed = self._take_seed("ours")
        work = self._folder / f"ours-{seed}"
        work.mkdir()
        command = [*tuitrain_command(), "train", "mnist", *self._recipe, "--seed", str(seed)]
        command += ["--device", self._device, "--threads", self._threads, "--json"]
        outcome = run(
            command, cwd=work, environment=clean_environment(TUITRAIN_DATA=self._data_dir)
        )
        said = json.loads(outcome.stdout)
        accuracy = said["last"]["test"]["accuracy"]
        return self._tell("tuitrain", Trained(seed, outcome.wall_s, accuracy, said["epoch"]))

    def train_classic(self) -> Trained:
        """The classic example, stopped at the accuracy."""
        seed = self._take_seed("classic")
        command = [sys.executable, str(ROOT / "benchmarks" / "classic.py")]
        command += ["--root", str(self._root), "--seed", str(seed), "--stop-at", str(_ACCURACY)]
        command += ["--device", self._device, "--threads", self._threads]
        outcome = run(command, cwd=self._folder, environment=clean_environment())
        accuracies = json.loads(outcome.stdout)["accuracies"]
        trained = Trained(seed, outcome.wall_s, accuracies[-1], len(accuracies))
        return self._tell("classic", trained)

    def _take_seed(self, name: str) -> int:
        seed = self._next_seed[name]
        self._next_seed[name] += 1
        return seed

    def _tell(self, name: str, trained: Trained) -> Trained:
        print(
            f"{name}, seed {trained.seed}: {trained.wall_s:.2f} s, {trained.accuracy:.2%} "
            f"after {trained.epochs} epochs",
            file=sys.stderr,
        )
        return trained


def make_result(
    ours: Sequence[Trained],
    classic: Sequence[Trained],
    options: Options,
    given: argparse.Namespace,
    load: str,
) -> Result:
    """Wall times, their ratio pair by pair, and the mean accuracy over all seeds."""
    classic_s = [trained.wall_s for trained in classic]
    our_s = [trained.wall_s for trained in ours]
    accuracies = [trained.accuracy for trained in ours]
    mean = statistics.fmean(accuracies)
    rows = (
        Row(what="tuitrain, wall time", figure=estimate_median(our_s), unit="s"),
        Row(what="classic example, wall time", figure=estimate_median(classic_s), unit="s"),
        Row(
            what="classic / tuitrain",
            figure=estimate_median(paired_ratios(classic_s, our_s[: len(classic_s)])),
            unit="×",
            target=Target(_TARGET, at_least=True),
        ),
        Row(
            what=f"tuitrain's mean test accuracy over {len(accuracies)} seeds",
            figure=Estimate(100 * mean, 100 * mean, 100 * mean, 1.0, 1),
            unit="%",
            target=Target(100 * _ACCURACY, at_least=True),
        ),
    )
    notes = [
        load,
        f"tuitrain's accuracies: {_list_accuracies(ours)}.",
        f"The classic example stopped at: {_list_accuracies(classic)}, "
        f"after {', '.join(str(trained.epochs) for trained in classic)} epochs.",
    ]
    if any(trained.accuracy < _ACCURACY for trained in classic):
        notes.append("A classic run never reached 99 %: its time is that of all its epochs.")
    recipe = f"--preset {given.preset}" + (f" --epochs {given.epochs}" if given.epochs else "")
    return Result(
        name="time_to_99",
        title="Time to 99 % on MNIST",
        device=options.device,
        compared=(
            f"`tuitrain train mnist {recipe}` in a fresh runs folder, from its start to its exit: "
            "imports, data, validation, checkpoints and the test included. Against the classic "
            "PyTorch example network (32 and 64 3×3 convolutions, 128 hidden, Adadelta, batch 64) "
            "through torchvision and a DataLoader, judged on the test set after every epoch and "
            "stopped at 99 %. Both are processes started in turn; the datasets are on the disk in "
            f"the form that each reads; {options.threads} threads."
        ),
        rows=rows,
        notes=tuple(notes),
        is_quick=options.quick,
    )


def _list_accuracies(trained: Sequence[Trained]) -> str:
    return ", ".join(f"{one.accuracy:.2%}" for one in trained)


if __name__ == "__main__":
    main()
