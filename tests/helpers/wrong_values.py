"""What somebody may give for an argument by mistake."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch


class Thing:
    """Something that nobody asked for."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


WRONG: dict[str, Any] = {
    "None": None,
    "a word": "abc",
    "no word": "",
    "bytes": b"x",
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "-1": -1,
    "0": 0,
    "2": 2,
    "0.5": 0.5,
    "1.5": 1.5,
    "a complex number": 1j,
    "a huge number": 10**30,
    "True": True,
    "False": False,
    "NumPy's 2": np.int64(2),
    "NumPy's 0.5": np.float32(0.5),
    "no list": [],
    "no tuple": (),
    "no dict": {},
    "no set": set(),
    "[None]": [None],
    "['a']": ["a"],
    "['']": [""],
    "[1]": [1],
    "[-1]": [-1],
    "[True]": [True],
    "[nan]": [math.nan],
    "[0.5]": [0.5],
    "[[1]]": [[1]],
    "an array": np.array([0, 1]),
    "an array of one": np.array(1),
    "a tensor": torch.tensor([0, 1]),
    "a tensor of nothing": torch.zeros(0),
    "a dict": {"a": 1},
    "a dict of nan": {"a": math.nan},
    "a dict by number": {1: 2},
    "a function": lambda *_: None,
    "a thing": Thing(),
}
