"""Under which names the record lies in an event file; for readers that must not load numpy or torch."""

VERSION = 1
"""Of the format in docs/record.md; a reader refuses what is newer."""

PLUGIN = "cnnviz"
LOOK_TAG = "record/look"
SETUP_TAG = "record/setup/"
"""Before the id of a setup: TensorBoard keeps one value of a tag at a step."""
