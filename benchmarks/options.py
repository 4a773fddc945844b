"""What every benchmark takes on its command line."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tui_trainer.paths import choose_data_dir
from tui_trainer.store.datasets import is_prepared


@dataclass(frozen=True)
class Options:
    """Where things are, on what to measure, and how long."""

    data_dir: Path
    results: Path
    device: str
    threads: int
    quick: bool


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser of the options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data-dir", type=Path, help="prepared datasets (default: as tuitrain's)")
    parser.add_argument("--results", type=Path, default=default_results(), help="folder of results")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="processor threads of everyone")
    parser.add_argument("--quick", action="store_true", help="few repeats: to see that it works")
    return parser


def to_options(given: argparse.Namespace) -> Options:
    """The shared options among those given."""
    return Options(
        data_dir=choose_data_dir(given.data_dir),
        results=given.results.absolute(),
        device=given.device,
        threads=given.threads,
        quick=given.quick,
    )


def require_prepared(options: Options, dataset: str) -> None:
    """See to it that a dataset is there.

    Raises:
        SystemExit: it is not.
    """
    if not is_prepared(options.data_dir, dataset):
        raise SystemExit(
            f"{dataset} is not in {options.data_dir}.\n"
            f"Prepare it with tuitrain data get {dataset}, or name another folder with --data-dir."
        )


def default_results() -> Path:
    """Where results are kept between a measurement and the report."""
    return Path(tempfile.gettempdir()) / "tuitrain-benchmarks"
