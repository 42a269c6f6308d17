"""``python -m lightning_cnnviz report LOGDIR…``: one HTML file of the runs below directories of event files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from lightning_cnnviz.output.disk import write_whole
from lightning_cnnviz.page.reading import read_runs
from lightning_cnnviz.page.report import MOST_BYTES, report


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command of the command line."""
    parser = argparse.ArgumentParser(prog="python -m lightning_cnnviz")
    commands = parser.add_subparsers(dest="command", required=True)
    page = commands.add_parser("report", help="make one HTML file of runs, side by side")
    page.add_argument("logdir", nargs="+", type=Path, help="directory of event files, searched with all below it")
    page.add_argument("--output", type=Path, help="the file to write (report.html in the first directory)")
    page.add_argument("--most-megabytes", type=float, default=MOST_BYTES / 10**6, help="leave out looks until it fits")
    options = parser.parse_args(arguments)
    runs = [run for directory in options.logdir for run in read_runs(directory)]
    if not runs:
        parser.error(f"no record of CNNVisualizer below {', '.join(map(str, options.logdir))}")
    path = options.output or options.logdir[0] / "report.html"
    write_whole(path, report(runs, round(options.most_megabytes * 10**6)))
    print(path)


if __name__ == "__main__":
    main()
