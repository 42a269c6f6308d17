"""TensorBoard's plugin: serves the page, and the record through TensorBoard's data provider.

TensorBoard imports this module at its start, whoever it is started for: it must be quick, and must never fail.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlencode

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from lightning_cnnviz.output.record_names import LOOK_TAG, PLUGIN, SETUP_TAG
from lightning_cnnviz.output.story import has_place, without_place
from lightning_cnnviz.page.report import bundle

_STATIC = Path(__file__).parent / "static"
_ENTRY = "index.js"
_STEPS_KEPT = {PLUGIN: 5000, "images": 1000}
_EVERYTHING = 10**6
_MOST_HEADS = 20_000
_PICTURE_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_PICTURES = {
    *("predictions", "feature_maps", "filters", "saliency", "cam", "grad_cam", "guided_grad_cam", "gradcam++"),
    *("hirescam", "xgradcam", "layercam", "prototypes", "activation_max", "timeline", "flips", "alarms"),
}
"""One of these is a part of the tag of each picture that was written before pictures had a place in the story."""

_READ_AT_ONCE = 8
_BEFORE_THE_PICTURE = 2  # width and height, as text

Answer: TypeAlias = tuple[str | bytes, str]
"""Content and its type."""

Route: TypeAlias = Callable[[wrappers.Request], Answer]


class Loader(base_plugin.TBLoader):  # type: ignore[misc] # TensorBoard has no annotations
    """What TensorBoard finds under the entry point."""

    def fix_flags(self, flags: Any) -> None:
        """Keeps every step of what we write, where TensorBoard keeps ten; what the user asked for stays."""
        with suppress(Exception):  # other flags than we know: ten steps, then
            for plugin, steps in _STEPS_KEPT.items():
                flags.samples_per_plugin.setdefault(plugin, steps)

    def load(self, context: Any) -> Plugin | None:
        """The plugin; None where this TensorBoard has no data provider."""
        return None if getattr(context, "data_provider", None) is None else Plugin(context)


class Plugin(base_plugin.TBPlugin):  # type: ignore[misc]
    """The page "CNN Viz".

    Args:
        context: TensorBoard's; only its data provider is used, so that it works wherever TensorBoard reads from.
    """

    plugin_name = PLUGIN

    def __init__(self, context: Any) -> None:
        self._data = context.data_provider
        self._heads: dict[tuple[str, float], dict[str, Any]] = {}

    def is_active(self) -> bool:
        """TensorBoard asks `data_plugin_names` instead, and starts without waiting for data."""
        return False

    def data_plugin_names(self) -> tuple[str, ...]:
        """Active where there is a record."""
        return (PLUGIN,)

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """The page is a module of JavaScript in a frame of its own."""
        return base_plugin.FrontendMetadata(es_module_path=f"/{_ENTRY}", tab_name="CNN Viz", disable_reload=True)

    def get_plugin_apps(self) -> dict[str, Callable[..., Any]]:
        """The routes, relative to the plugin."""
        routes: dict[str, Route] = {
            f"/{_ENTRY}": _page,
            "/style.css": _style,
            "/runs": self._runs,
            "/looks": self._looks,
            "/setup": self._setup,
            "/blobs": self._blobs,
            "/pictures": self._pictures,
            "/picture": self._picture,
        }
        return {path: _application(route) for path, route in routes.items()}

    def _runs(self, request: wrappers.Request) -> Answer:
        looks = self._sequences(request, PLUGIN, [LOOK_TAG])
        pictures = {run: len(tags) for run, tags in self._our_pictures(request).items()}
        newest_last = sorted(
            {*looks, *pictures},
            key=lambda run: max((look.wall_time for look in looks.get(run, {}).get(LOOK_TAG, ())), default=0),
        )
        return _json(
            [
                {"name": run, "looks": len(looks.get(run, {}).get(LOOK_TAG, ())), "pictures": pictures.get(run, 0)}
                for run in newest_last
            ]
        )

    def _looks(self, request: wrappers.Request) -> Answer:
        run, first, last = request.args["run"], int(request.args["from"]), int(request.args["to"])
        looks = self._sequences(request, PLUGIN, [LOOK_TAG], [run]).get(run, {}).get(LOOK_TAG, ())
        context = plugin_util.context(request.environ)
        found = ((look.wall_time, [blob.blob_key for blob in look.values]) for look in looks[first:last])
        heads = ((self._head(context, keys[0], wall_time), keys) for wall_time, keys in found)
        return _json([{**head, "blobs": keys} for head, keys in heads if head is not None])

    def _setup(self, request: wrappers.Request) -> Answer:
        run, wanted = request.args["run"], request.args["id"]
        context = plugin_util.context(request.environ)
        tag = SETUP_TAG + wanted
        for setup in self._sequences(request, PLUGIN, [tag], [run]).get(run, {}).get(tag, ()):
            first, *pictures = (blob.blob_key for blob in setup.values)
            head = self._head(context, first, setup.wall_time)
            if head is not None:
                return _json({"head": head, "blobs": pictures})
        return _json(None)

    def _blobs(self, request: wrappers.Request) -> Answer:
        """Several at once, each behind its length (4 bytes, the lowest first); one that cannot be read is empty."""
        context = plugin_util.context(request.environ)
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:  # each waits some 40 ms for the data server
            blobs = [*pool.map(partial(self._read, context), request.args.getlist("key"))]
        return b"".join(len(blob).to_bytes(4, "little") + blob for blob in blobs), "application/octet-stream"

    def _picture(self, request: wrappers.Request) -> Answer:
        content = self._read(plugin_util.context(request.environ), request.args["key"])
        # By what it is, never by what anybody says that it is: a browser must not take a blob for a page.
        return content, next(kind for start, kind in _PICTURE_TYPES.items() if content.startswith(start))

    def _pictures(self, request: wrappers.Request) -> Answer:
        run = request.args["run"]
        tags = list(self._our_pictures(request, [run]).get(run, ()))
        sequences = self._sequences(request, "images", tags, [run]).get(run, {}) if tags else {}
        return _json(
            {
                without_place(tag): [
                    {"step": one.step, "url": _address(one)} for one in steps if len(one.values) > _BEFORE_THE_PICTURE
                ]
                for tag, steps in sequences.items()
            }
        )

    def _our_pictures(self, request: wrappers.Request, runs: Sequence[str] | None = None) -> dict[str, list[str]]:
        listed = self._data.list_blob_sequences(
            plugin_util.context(request.environ),
            experiment_id=plugin_util.experiment_id(request.environ),
            plugin_name="images",
            run_tag_filter=_filter(runs, None),
        )
        ours = {
            run: [tag for tag in tags if has_place(tag) or _PICTURES & set(tag.split("/"))]
            for run, tags in listed.items()
        }
        return {run: tags for run, tags in ours.items() if tags}

    def _sequences(
        self, request: wrappers.Request, plugin: str, tags: Iterable[str], runs: Sequence[str] | None = None
    ) -> Mapping[str, Mapping[str, Any]]:
        """The keys of all blobs, without their bytes."""
        sequences: Mapping[str, Mapping[str, Any]] = self._data.read_blob_sequences(
            plugin_util.context(request.environ),
            experiment_id=plugin_util.experiment_id(request.environ),
            plugin_name=plugin,
            downsample=_EVERYTHING,
            run_tag_filter=_filter(runs, tags),
        )
        return sequences

    def _read(self, context: Any, key: str) -> bytes:
        with suppress(errors.PublicError, ValueError, KeyError):
            content: bytes = self._data.read_blob(context, blob_key=key)
            return content
        return b""

    def _head(self, context: Any, key: str, wall_time: float) -> dict[str, Any] | None:
        """The JSON of a look or a setup; None where it is damaged.

        A key names run, tag and step: what lies under it is another in a run that was resumed, or started anew.
        """
        with suppress(ValueError, zlib.error):
            if (key, wall_time) not in self._heads:
                if len(self._heads) >= _MOST_HEADS:
                    self._heads.clear()
                head = json.loads(zlib.decompress(self._data.read_blob(context, blob_key=key)))
                self._heads[key, wall_time] = head
            return self._heads[key, wall_time]
        return None


def _filter(runs: Sequence[str] | None, tags: Iterable[str] | None) -> Any:
    from tensorboard.data import provider  # noqa: PLC0415 - not at TensorBoard's start

    return provider.RunTagFilter(runs, None if tags is None else list(tags))


def _address(datum: Any) -> str:
    return "picture?" + urlencode({"key": datum.values[_BEFORE_THE_PICTURE].blob_key, "of": datum.wall_time})


def _page(request: wrappers.Request) -> Answer:
    """All modules at once: one after the other they would take a request each."""
    return _script(), "application/javascript"


@lru_cache(maxsize=1)
def _script() -> str:
    return f'{bundle(_ENTRY)}\nexport const render = modules["{_ENTRY}"].render;\n'


def _style(request: wrappers.Request) -> Answer:
    return (_STATIC / "style.css").read_bytes(), "text/css"


def _json(value: object) -> Answer:
    return json.dumps(value, separators=(",", ":")), "application/json"


def _application(route: Route) -> Callable[..., Any]:
    def answer(request: wrappers.Request) -> Any:
        try:
            content, kind = route(request)
            code = 200
        except (KeyError, ValueError, StopIteration):
            content, kind, code = "not found", "text/plain", 404
        # Our addresses say of which look they are, not only by run, tag and step: what lies there stays the same.
        expires = 3600 if request.path.endswith(("/blobs", "/picture")) and code == 200 else 0
        headers = [("X-Content-Type-Options", "nosniff")]
        return http_util.Respond(request, content, kind, code=code, expires=expires, headers=headers)

    return wrappers.Request.application(answer)
