"""What `docs/ending.md` says of how a run can end is said in one paragraph, and each sentence of it is tested."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTED_BY = {
    "An argument of a callback's constructor": [
        "tests/properties/test_arguments.py::test_what_is_wrong_is_refused_by_name_where_it_is_given",
        "tests/properties/test_arguments.py::test_with_what_the_callback_takes_it_trains",
        "tests/training/test_refusals.py::test_bad_input_is_refused_before_training",
    ],
    'You can ask for more: `on_error="raise"`': ["tests/training/test_callback.py::test_on_error_raise_raises"],
    "With several processes": [
        "tests/training/test_distributed.py::test_a_pass_that_fails_half_way_on_one_rank_ends_all",
    ],
    "Interrupts, exits and Lightning's own control flow": [
        "tests/training/test_interrupts.py::test_an_interrupt_during_a_look_is_one_as_ever",
        "tests/training/test_failing_hooks.py::test_what_is_no_failure_passes",
    ],
    "Any other exception": [
        "tests/training/test_failing_hooks.py::test_what_fails_in_a_hook_costs_the_callback_and_no_run",
        "tests/training/test_faults.py::test_what_a_view_runs_into_costs_that_view",
        "tests/training/test_faults.py::test_a_sink_that_raises_costs_one_warning_and_no_step",
        "tests/training/test_disk.py::test_what_ails_the_log_directory_ends_no_run_that_it_would_not_have_ended",
        "tests/properties/test_training_bits.py::test_the_same_bits_and_the_same_end",
    ],
}
"""The beginning of each sentence, and the tests that fail when it is no longer true."""


def test_it_is_one_paragraph_of_tested_sentences() -> None:
    title, paragraph = (ROOT / "docs" / "ending.md").read_text().strip().split("\n\n")
    assert title == "# What can end your run"
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z])", paragraph)
    assert len(sentences) == len(TESTED_BY)
    for sentence, beginning in zip(sentences, TESTED_BY, strict=True):
        assert sentence.startswith(beginning)


def test_the_tests_are_there() -> None:
    for name in (name for names in TESTED_BY.values() for name in names):
        file, _, function = name.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, name
