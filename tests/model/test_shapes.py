"""What comes of models of all shapes is what the page in the docs says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import torch

from lightning_cnnviz import Artifact, Evidence, FixedSamples, Layout, Request, View, explain
from lightning_cnnviz.views.captions import captions
from tests.helpers.models_page import PAGE, page
from tests.helpers.shapes_table import DEFAULT, NAMES, SHAPES, Shape

VIEW_OF = {"predictions": "Predictions", "feature_maps": "FeatureMaps", "filters": "Filters", "saliency": "Saliency"}

WORDS = {
    "NAME": f"({'|'.join(NAMES)})",
    r"true\ CLASS": r"true\ \d+",
    "CLASS": r"class\ \d+",
    "LABELS": f"(no label|({'|'.join(NAMES)})(, ({'|'.join(NAMES)}))*)",
    "SHARE": r"[\d.]+%",
    "NUMBER": r"-?[\d.]+",
}


class Listens(View):
    """Keeps what stands beside the samples."""

    def request(self, layout: Layout, samples: FixedSamples) -> Request:
        return Request()

    def draw(self, evidence: Evidence) -> Iterator[Artifact]:
        self.lines = [" ".join(caption.lines) for caption in captions(evidence)]
        yield from ()


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.helpers.models_page"


def test_every_shape_stands_on_the_page_once() -> None:
    names = [shape.name for shape in SHAPES]
    assert len(set(names)) == len(names)
    assert all(page().count(f"| {name} |") == 1 for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_what_comes_of_it(shape: Shape) -> None:
    torch.manual_seed(0)
    model, samples = shape.model(), shape.samples()
    if shape.refused:
        with pytest.raises(ValueError, match=re.escape(shape.why)):
            explain(model, samples)
        return
    found = explain(model, samples)
    drawn = {VIEW_OF.get(tag.partition("/")[0], "GradCAM") for tag in found.pictures}
    assert drawn == set(DEFAULT) - set(shape.left_out)
    reasons = {remark.partition(" is left out: ")[0]: remark for remark in found.remarks if " is left out: " in remark}
    assert set(reasons) == set(shape.left_out)
    told = [remark for remark in found.remarks if remark not in reasons.values() and " maps are " not in remark]
    if shape.left_out:
        assert any(shape.why in reason for reason in reasons.values())
    else:
        assert any(shape.remark in remark for remark in told) if shape.remark else told == []
    listens = Listens()
    explain(model, samples, [listens])
    pattern = re.escape(shape.said)
    for word, matched in WORDS.items():
        pattern = pattern.replace(word, matched)
    for line in listens.lines:
        assert re.fullmatch(f"{pattern}( maps .+)?", line), line
