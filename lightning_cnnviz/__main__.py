"""The command line: ``python -m lightning_cnnviz report LOGDIR…`` and ``python -m lightning_cnnviz compare A B``."""

from __future__ import annotations

import argparse
import math
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from lightning_cnnviz.output.disk import below, write_whole
from lightning_cnnviz.page.reading import read_runs
from lightning_cnnviz.page.report import MOST_BYTES, report

_EXPLAINED = (ValueError, TypeError, OSError, ImportError)
_EXCEEDED = 1  # 2 is what argparse exits with where something is wrong with the command


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command of the command line and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m lightning_cnnviz")
    commands = parser.add_subparsers(dest="command", required=True)
    page = commands.add_parser("report", help="make one HTML file of runs, side by side")
    page.add_argument(
        "logdir", nargs="+", help="directory of event files, searched with all below it; also s3://… and the like"
    )
    page.add_argument("--output", help="the file to write (report.html in the first directory)")
    page.add_argument(
        "--most-megabytes", type=_positive, default=MOST_BYTES / 10**6, help="leave out looks until it fits"
    )
    page.set_defaults(run=_report, parser=page)
    _add_compare(commands.add_parser("compare", help="say what a second checkpoint lost and won against a first one"))
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


def _report(options: argparse.Namespace) -> int:
    try:
        runs = [run for directory in options.logdir for run in read_runs(directory)]
    except _EXPLAINED as error:
        options.parser.error(str(error))
    if not runs:
        options.parser.error(f"no record of CNNVisualizer below {', '.join(options.logdir)}")
    path = options.output or below(options.logdir[0], "report.html")
    page = report(runs, round(options.most_megabytes * 10**6))
    try:
        write_whole(path, page)
    except _EXPLAINED as error:
        options.parser.error(str(error))
    print(path)
    return 0


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compares two checkpoints of one model on its validation data. Exits with 0, with 1 if the second one is worse "
        "than a limit allows, and with 2 if they cannot be compared."
    )
    parser.add_argument("a", type=Path, help="checkpoint of the model as it was")
    parser.add_argument("b", type=Path, help="checkpoint of the model as it is now")
    parser.add_argument(
        "--config", type=Path, required=True, help="YAML with model and data, as LightningCLI writes it"
    )
    parser.add_argument("--split", choices=("validation", "test"), default="validation", help="which data")
    parser.add_argument("--samples", type=int, default=2000, help="how many at most, of all classes (2000)")
    parser.add_argument("--device", default="cpu", help="where the models run, for example cuda (cpu)")
    parser.add_argument("--html", type=_path_to(".html"), help="write a page for people")
    parser.add_argument("--json", type=_path_to(".json"), help="write the numbers for a program")
    parser.add_argument(
        "--max-negative-flips", type=_share, help="the share of samples that may be right before and wrong now"
    )
    parser.add_argument("--max-accuracy-drop", type=_share, help="by how much accuracy may fall, as a share")
    parser.set_defaults(run=_compare, parser=parser)


def _compare(options: argparse.Namespace) -> int:
    # Here, because the page needs neither torch nor Lightning.
    from lightning_cnnviz.compare import compare  # noqa: PLC0415
    from lightning_cnnviz.model.checkpoints import with_weights  # noqa: PLC0415
    from lightning_cnnviz.training.from_config import model_and_samples  # noqa: PLC0415

    try:
        model, samples = model_and_samples(options.config, count=options.samples, split=options.split)
        before = with_weights(model, options.a).to(options.device)
        found = compare(before, options.b, samples)
    except Exception as error:  # of the user's code, too: 1 would say that the model is worse
        if not isinstance(error, _EXPLAINED):
            traceback.print_exc()
        options.parser.error(str(error))
    stems = options.a.stem, options.b.stem
    found.names = stems if stems[0] != stems[1] else (str(options.a), str(options.b))
    for line in found.summary():
        print(line)
    for path in (options.html, options.json):
        if path is not None:
            try:
                found.write_report(path)
            except OSError as error:
                options.parser.error(f"the report is not written: {error}")
            print(path)
    limits = {"negative flips": options.max_negative_flips, "accuracy drop": options.max_accuracy_drop}
    asked = {name: limit for name, limit in limits.items() if limit is not None}
    if asked and found.quality is None:
        options.parser.error(f"a limit needs labelled samples: {'; '.join(found.remarks)}")
    exceeded = False
    for name, limit in asked.items():
        assert found.quality is not None
        value = found.quality.negative_flips if name == "negative flips" else found.quality.accuracy_drop
        if value > limit:
            exceeded = True
            print(f"{name} {value:.2%} is more than {limit:.2%}", file=sys.stderr)
    return _EXCEEDED if exceeded else 0


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be a share from 0 to 1, got {text}")
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text}")
    return value


def _path_to(suffix: str) -> Callable[[str], Path]:
    def path(text: str) -> Path:
        if Path(text).suffix != suffix:
            raise argparse.ArgumentTypeError(f"must end in {suffix}, got {text}")
        return Path(text)

    return path


if __name__ == "__main__":
    sys.exit(main())
