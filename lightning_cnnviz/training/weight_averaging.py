"""Which weights are drawn when the Trainer also has Lightning's ``WeightAveraging``."""

from __future__ import annotations

from collections.abc import Sequence


def drawn_weights(callbacks: Sequence[object], ours: object) -> str | None:
    """Says whether a look after a validation sees the averaged weights; None if nothing averages them.

    ``WeightAveraging`` validates with the averaged weights and puts the others back in its own
    ``on_validation_epoch_end``, so what we see in ours depends on which of the two comes first.

    Args:
        callbacks: all callbacks of the Trainer, in their order.
        ours: the one of them that looks.
    """
    # By class name, because `lightning` and `pytorch_lightning` each have a WeightAveraging unknown to the other.
    averaging = [callback for callback in callbacks if "WeightAveraging" in _class_names(callback)]
    if not averaging:
        return None
    name, our_name = type(averaging[0]).__name__, type(ours).__name__
    if callbacks.index(averaging[0]) > callbacks.index(ours):
        return f"The averaged weights are drawn, those of the validation metrics: {name} stands after {our_name}."
    return (
        f"The weights in training are drawn, not the averaged ones of the validation metrics: {name} stands before "
        f"{our_name} among the callbacks. Put it after to see the averaged ones."
    )


def _class_names(callback: object) -> set[str]:
    return {base.__name__ for base in type(callback).__mro__}
