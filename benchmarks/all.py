"""Every benchmark one after the other, then the report: `python -m benchmarks.all`."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.options import make_parser, to_options
from benchmarks.processes import ROOT

_NAMES = [
    "machine",
    "steps",
    "startup",
    "log_cost",
    "memory",
    "safety",
    "data",
    "charts",
    "dashboard",
    "watched",
    "long_run",
    "time_to_99",
]


def main() -> None:
    """Run them; one that fails ends the whole."""
    options = to_options(make_parser(__doc__ or "").parse_args())
    shared = ["--data-dir", str(options.data_dir), "--results", str(options.results)]
    shared += ["--device", options.device, "--threads", str(options.threads)]
    shared += ["--quick"] if options.quick else []
    for name in _NAMES:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *shared], cwd=ROOT, check=True)
    report = [sys.executable, "-m", "benchmarks.report", "--results", str(options.results)]
    subprocess.run(report, cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
