"""Things to look at, one small file each: every view says what it needs from the model and draws what it got."""

from lightning_cnnviz.views.activation_maximization import ActivationMaximization
from lightning_cnnviz.views.base import View
from lightning_cnnviz.views.cam import CAM
from lightning_cnnviz.views.change import Change
from lightning_cnnviz.views.confusion_matrix import ConfusionMatrix
from lightning_cnnviz.views.contrast import Contrast
from lightning_cnnviz.views.feature_maps import FeatureMaps
from lightning_cnnviz.views.film import Film
from lightning_cnnviz.views.filters import Filters
from lightning_cnnviz.views.grad_cam import GradCAM
from lightning_cnnviz.views.guided_grad_cam import GuidedGradCAM
from lightning_cnnviz.views.model_summary import ModelSummary
from lightning_cnnviz.views.predictions import Predictions
from lightning_cnnviz.views.prototypes import Prototypes
from lightning_cnnviz.views.saliency import Saliency
from lightning_cnnviz.views.sample_cards import SampleCards
from lightning_cnnviz.views.top_patches import TopPatches
from lightning_cnnviz.views.worst_mistakes import WorstMistakes

__all__ = [
    "CAM",
    "ActivationMaximization",
    "Change",
    "ConfusionMatrix",
    "Contrast",
    "FeatureMaps",
    "Film",
    "Filters",
    "GradCAM",
    "GuidedGradCAM",
    "ModelSummary",
    "Predictions",
    "Prototypes",
    "Saliency",
    "SampleCards",
    "TopPatches",
    "View",
    "WorstMistakes",
    "default_views",
]


def default_views() -> list[View]:
    """What is looked at when nothing is named."""
    return [Predictions(), FeatureMaps(), Filters(), Saliency(), GradCAM()]
