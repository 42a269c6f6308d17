"""How TensorBoard's plugin answers: its routes as applications, and the page itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from tensorboard.backend import http_util
from werkzeug import wrappers

from lightning_cnnviz.page.report import bundle

_STATIC = Path(__file__).parent / "static"
ENTRY = "index.js"

Answer: TypeAlias = tuple[str | bytes, str]
"""Content and its type."""

Route: TypeAlias = Callable[[wrappers.Request], Answer]


def page(request: wrappers.Request) -> Answer:
    """All modules at once: one after the other they would take a request each."""
    return _script(), "application/javascript"


@lru_cache(maxsize=1)
def _script() -> str:
    return f'{bundle(ENTRY)}\nexport const render = modules["{ENTRY}"].render;\n'


def style(request: wrappers.Request) -> Answer:
    """The style sheet."""
    return (_STATIC / "style.css").read_bytes(), "text/css"


def as_json(value: object) -> Answer:
    """A value as JSON."""
    return json.dumps(value, separators=(",", ":")), "application/json"


def application(route: Route) -> Callable[..., Any]:
    """A route as TensorBoard calls it; a request that fits nothing is answered 404."""

    def answer(request: wrappers.Request) -> Any:
        try:
            content, kind = route(request)
            code = 200
        except (KeyError, ValueError, StopIteration):
            content, kind, code = "not found", "text/plain", 404
        # Its address says of which look it is, not only by run, tag and step: what lies there stays the same.
        expires = 3600 if request.path.endswith("/picture") and code == 200 else 0
        headers = [("X-Content-Type-Options", "nosniff")]
        return http_util.Respond(request, content, kind, code=code, expires=expires, headers=headers)

    return wrappers.Request.application(answer)
