"""Where pictures stand on TensorBoard's pages: one group, in the order that tells the story."""

from __future__ import annotations

import re

GROUP = "cnnviz"
"""The first part of every picture's tag: TensorBoard makes a group of what has it in common, sorted by the rest."""

CHAPTERS = ("answers", "looks", "pixels", "responses", "weights", "classes", "change", "more")
"""What pictures are about: what the model answers, where it looks for that, which pixels count, what its layers respond
to, their weights, what it takes each class to be, how all of that changed, and anything else."""

_PLACE = re.compile(f"{GROUP}/[1-{len(CHAPTERS)}] (?:{'|'.join(CHAPTERS)})/")


def place(tag: str, chapter: str) -> str:
    """The tag of a picture with its place in the story before it; a chapter that nobody knows counts as the last one.

    >>> place("grad_cam/layer4", "looks")
    'cnnviz/2 looks/grad_cam/layer4'
    """
    if chapter not in CHAPTERS:
        chapter = CHAPTERS[-1]
    return f"{GROUP}/{CHAPTERS.index(chapter) + 1} {chapter}/{tag}"


def without_place(tag: str) -> str:
    """The tag of a picture as its view gave it.

    >>> without_place("cnnviz/2 looks/grad_cam/layer4")
    'grad_cam/layer4'
    """
    return _PLACE.sub("", tag, count=1) if has_place(tag) else tag


def has_place(tag: str) -> bool:
    """Whether a tag is one of :func:`place`, and its picture one of ours, whatever view it is of."""
    return _PLACE.match(tag) is not None
