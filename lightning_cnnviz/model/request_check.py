"""Whether what one view asks for can be asked of a model, before it is merged with what the others ask for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from torch import nn

from lightning_cnnviz.methods.backward_rules import Rule
from lightning_cnnviz.model.evidence import Request
from lightning_cnnviz.model.names import has_kernel, nearest


def check_request(request: object, modules: Mapping[str, nn.Module]) -> None:
    """Checks a request against the modules of the model.

    Args:
        request: what a view's ``request`` returned.
        modules: the model's modules by name.

    Raises:
        TypeError: it is no :class:`Request`, or a name in it is no string.
        ValueError: it names a layer that does not exist, weights of a module that has none that could be drawn, or an
            unknown rule.
    """
    if not isinstance(request, Request):
        raise TypeError(f"request() must return a Request, got {type(request).__name__}")
    for field in ("activations", "gradients", "weights"):
        for name in getattr(request, field):
            if not isinstance(name, str):
                raise TypeError(f"Request({field}=…) takes names of layers, got {name!r}")
            if name not in modules:
                raise ValueError(f"Request({field}=…): the model has no layer {name!r}; {nearest(name, modules)}")
    for name in sorted(request.weights):
        if not has_kernel(modules[name]):
            usable = nearest(name, (other for other, module in modules.items() if has_kernel(module)))
            kind = type(modules[name]).__name__
            raise ValueError(f"Request(weights=…): {name!r} has no kernels, it is a {kind}; {usable}")
    unknown = request.rules - set(get_args(Rule))
    if unknown:
        raise ValueError(f"Request(rules=…): allowed are {', '.join(get_args(Rule))}, got {sorted(map(str, unknown))}")
