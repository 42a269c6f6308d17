"""How far a model moved: the numbers, what is kept to compare with, alarms, and the views made of them."""

from lightning_cnnviz.drift.drift import Drift
from lightning_cnnviz.drift.flips import Flips
from lightning_cnnviz.drift.timeline import Timeline

__all__ = ["Drift", "Flips", "Timeline"]
