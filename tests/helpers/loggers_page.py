"""Makes ``docs/loggers.md`` from the tests: ``python -m tests.helpers.loggers_page``."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.loggers import LOGGERS

PAGE = Path(__file__).parents[2] / "docs" / "loggers.md"

_BEGINNING = """\
# Loggers

<!-- Made from the tests by `python -m tests.helpers.loggers_page`. -->

One unchanged `CNNVisualizer()` writes to every logger of the Trainer, several at once, at the step of `val_loss` and
under the same tags. `tests/output/test_loggers.py` attaches all of these to one run, offline and with their real
clients, and reads them back with their own readers: every picture at its step and equal to the pixel, and the
training the same to the bit as with no logger and no callback.

| logger | pictures | numbers | notes | slider | offline | thread |
|---|---|---|---|---|---|---|
"""

_NONE = (
    "none that takes pictures",
    "files in `cnnviz` below `default_root_dir`, `index.html`, `report.html`",
    "`scalars.csv`",
    "Markdown files",
    "as with CSV",
    "always",
    "its own",
)

_END = """

*Encoded again*: the client takes no finished files, which costs 0.1 to 0.3 s a picture on its thread. Aim's logger
takes `val_` off names and gives them a context; pictures and notes are in that of validation, `subset=val`.

What a store forbids in tags, as MLflow forbids colons, is written as its code, `_x3a_`, and so are slashes and dots
that would lead out of a folder. The end of a tag that is too long, such as 200 bytes in a file name, becomes eight
digits made of all of it. Loggers of one and the same run, as two `WandbLogger`s of a process are, are written to once.

Each sink has a thread of its own. A client that raises costs what it was given and one warning. One that is slow or
hangs fills a queue of 64 artifacts; the training waits for it five seconds in all, and at the end of the run ten, or
up to a minute while it goes on, and then goes on without it, with one warning that names it.

## Through TensorBoard

ClearML has no Lightning logger. With `Task.init()` before the training it takes over what goes to
`TensorBoardLogger`: pictures as JPEG in Debug Samples, at their steps, numbers and notes; offline with
`Task.set_offline(True)`, which `tests/output/test_clearml.py` reads back.
`WandbLogger(sync_tensorboard=True)` does the same, so that its run holds pictures twice: as W&B's own media at the
step of the Trainer, and under `cnnviz/` from TensorBoard. SwanLab's synchronisation of TensorBoard does not, because
finished pictures go past the function that it replaces: use `SwanLabLogger`.

## Not written to

`LitLogger` needs a login at Lightning AI, without which nothing of it can be tried, and so there is no sink for it:
pictures go to files below `default_root_dir`, and a line says so. Its numbers are Lightning's own, and it gets those
that are monitored, such as `drift/features`. Neptune's logger cannot be imported with its current client.

## Another destination

A destination of your own is given by `CNNVisualizer(sinks=[...])`, or for all runs with a kind of logger by
`register_sink("MyLogger", factory)`: see [views and sinks of your own](extending.md).

## Without a Trainer

```python
from lightning_cnnviz import FileSink, GradCAM, explain

sink = FileSink("pictures")
for step in range(3):
    explain(model, images, [GradCAM()]).write(sink, step)
```

Any sink takes its place, such as `TensorBoardSink(writer)` of `lightning_cnnviz.output.tensorboard`.
"""


def page() -> str:
    """The text of the page."""
    rows = [
        (f"`{one.name}`", one.pictures, one.numbers, one.notes or "none", one.slider, one.offline, "its own")
        for one in LOGGERS
    ]
    return _BEGINNING + "\n".join(f"| {' | '.join(row)} |" for row in [*rows, _NONE]) + _END


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
