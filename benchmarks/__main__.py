"""Run the benchmarks: ``python -m benchmarks [A B ...] [--write]``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks import epochs, first_step, growth, importing, looks, maps, page, pictures, prototypes, sizes
from benchmarks.report import Report, machine

BENCHMARKS = {
    "A": maps.measure,
    "B": pictures.measure,
    "C": prototypes.measure,
    "D": epochs.measure,
    "E": growth.measure,
    "F": importing.measure,
    "G": looks.measure,
    "H": page.measure,
    "I": first_step.measure,
    "J": sizes.measure,
}
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def main(arguments: list[str] | None = None) -> list[Report]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what a look costs.")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="A..J", help="which; all if none")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contestant")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--tiny", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.parent.name}/{PAGE.name}")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    before = machine()
    print(f"Before: {before}\n", flush=True)
    reports = []
    for name in options.names or BENCHMARKS:
        torch.manual_seed(0)
        reports.append(BENCHMARKS[name](options.rounds, options.tiny))
        print(f"{reports[-1]}\n", flush=True)
    print(f"After: {machine()}")
    if options.write:
        PAGE.write_text(_page(reports, before))
    return reports


def _page(reports: list[Report], before: str) -> str:
    head = (
        "# What a look costs\n\n"
        "Made by `python -m benchmarks --write`. Contestants take turns; times are medians, ratios are medians of the "
        "ratios\nwithin a round.\n\n"
        f"Machine: {before} After the last benchmark: {machine()}"
    )
    return "\n\n".join([head, *map(str, reports)]) + "\n"


if __name__ == "__main__":
    main()
