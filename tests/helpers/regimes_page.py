"""Makes ``docs/regimes.md`` from the tests: ``python -m tests.helpers.regimes_page``."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.helpers.regimes import REGIMES, Regime

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "regimes.md"

_BEGINNING = """\
# A guest in every regime of training

<!-- Made from the tests by `python -m tests.helpers.regimes_page`. -->

Training with the callbacks gives the same bits as training without them. Each row below is a way to train that a
visualization could disturb, and two tests that run it with a real Trainer:

- `tests/training/test_regimes.py::test_same_bits_and_no_trace[ROW]` trains without us, and with the default views and
  class prototypes. The weights and buffers must be identical to the bit. Around every one of our hooks a fingerprint
  is taken and must not change: parameters and gradients (identity, version, bytes), buffers, modes, hooks,
  attributes, random number generators, steps, metrics, optimizers and torch's global flags
  (`tests/helpers/fingerprint.py`).
- `tests/training/test_regimes.py::test_same_bits_and_no_trace_when_looks_fail[ROW]` does the same while views fail in
  the middle of drawing and in the middle of calling the model.

*Drawn* says how often the pictures must then be in the event file, so that no row passes by drawing nothing: once
before training and once after each validation, 0 where there is no logger to draw into or no sample to draw. Rows
marked *fast* run with every change, the others in the full suite.

"""

_COMPILED = """
## Compiled models

With inductor and the C++ compiler, other batch sizes than in training, and more of them than dynamo compiles before it
gives up. That training stayed compiled is seen from inside the model.

"""

_AWKWARD = """
## Awkward modules

Models on which hooks go wrong quietly. Each is compared with a twin written without the difficulty, or must be left out
with one clear message.

"""

_MORE = """
## Also tested

"""

_END = """
Several processes have [a page of their own](distributed.md).

## What a guest cannot undo

- What the model's own code changes outside the model: the variable of a closure, a global, an attribute of a class, a
  file (a memory-mapped array too), another process, a call of `self.logger.experiment` inside `forward`. `self.log` and
  `self.log_dict` are silent while we look.
- How far an iterator has come: a generator, one of `itertools`, a loader's; and how often a `SeedSequence` of NumPy has
  spawned.
- What else the model holds comes back, in containers and objects of any depth: the registered parameters and buffers of
  all modules, and the 200,000 other values that are nearest. Not looked into are objects of Lightning, of Python's
  library, and of torch besides modules, optimizers, gradient scalers, distributions and Sobol sequences, with those of
  classes derived from theirs; those that hold a thread, a lock, a queue or an open file; and datasets of more than
  10,000 entries or 256 MiB. State that an extension keeps in C++ and shows to nobody stays as our calls left it.
- What a datamodule's batch hooks write to its data: of its tensors and arrays, 64 MiB in all come back, those nearest.
- What a signal handler, or another thread, writes to the model while we look is taken back with the rest: a flag that
  asks the training to stop is safe in an object that holds a lock, such as a `threading.Event`.
- Which random numbers a batch gets that draws them when its images are first read: we read them first, and put the
  generators back.
- Hooks registered for all modules at once with `torch.nn.modules.module.register_module_forward_hook` see our calls.
- Time: `Trainer(max_time=...)` counts our seconds as well.
"""


def page() -> str:
    """The whole page."""
    table = ["| row | what is special about it | drawn | |", "|---|---|---|---|", *map(_row, REGIMES)]
    return "".join(
        [
            _BEGINNING,
            "\n".join(table),
            "\n",
            _COMPILED,
            _list_of("training/test_regimes_compile.py"),
            _AWKWARD,
            _list_of("model/test_awkward_modules.py"),
            _list_of("model/test_awkward_outputs.py"),
            _MORE,
            _list_of("training/test_leaks.py"),
            _list_of("training/test_regimes.py", leave_out="test_same_bits"),
            _END,
        ]
    )


def _row(regime: Regime) -> str:
    return f"| `{regime.name}` | {regime.about} | {regime.looks} | {'fast' if regime.fast else ''} |"


def _list_of(file: str, *, leave_out: str = "\n") -> str:
    """A line for each test of a file; its name says what holds."""
    syntax = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
    names = [node.name for node in syntax.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    return "".join(
        f"- {name.removeprefix('test_').replace('_', ' ')}: `tests/{file}::{name}`\n"
        for name in names
        if not name.startswith(leave_out)
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
