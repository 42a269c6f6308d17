"""TensorBoard's plugin: serves the page, and the record through TensorBoard's data provider.

TensorBoard imports this module at its start, whoever it is started for: it must be quick, and must never fail.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import urlencode

from tensorboard import errors, plugin_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from lightning_cnnviz.output.record_names import LOOK_TAG, PLUGIN, SETUP_TAG
from lightning_cnnviz.output.story import has_place, without_place
from lightning_cnnviz.page.serving import ENTRY, Answer, Route, application, as_json, page, style

_STEPS_KEPT = {PLUGIN: 5000, "images": 1000}
_EVERYTHING = 10**6
_MOST_HEADS = 20_000
_MOST_BLOBS = 64
_READ_AT_ONCE = 8
_PICTURE_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_PICTURES = {
    *("predictions", "feature_maps", "filters", "saliency", "cam", "grad_cam", "guided_grad_cam", "gradcam++"),
    *("hirescam", "xgradcam", "layercam", "prototypes", "activation_max", "timeline", "flips", "alarms"),
}
"""One of these is a part of the tag of each picture that was written before pictures had a place in the story."""

_ALARMS = re.compile(r"(^|/)alarms(/text_summary)?$")
_BEFORE_THE_PICTURE = 2  # width and height, as text


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
        return base_plugin.FrontendMetadata(es_module_path=f"/{ENTRY}", tab_name="CNN Viz", disable_reload=True)

    def get_plugin_apps(self) -> dict[str, Callable[..., Any]]:
        """The routes, relative to the plugin."""
        routes: dict[str, Route] = {
            f"/{ENTRY}": page,
            "/style.css": style,
            "/runs": self._runs,
            "/looks": self._looks,
            "/setup": self._setup,
            "/blobs": self._blobs,
            "/pictures": self._pictures,
            "/picture": self._picture,
        }
        return {path: application(route) for path, route in routes.items()}

    def _runs(self, request: wrappers.Request) -> Answer:
        looks = self._sequences(request, PLUGIN, [LOOK_TAG])
        pictures = {run: len(tags) for run, tags in self._our_pictures(request).items()}
        alarmed = self._alarmed(request)
        newest_last = sorted(
            {*looks, *pictures},
            key=lambda run: max((look.wall_time for look in looks.get(run, {}).get(LOOK_TAG, ())), default=0),
        )
        return as_json(
            [
                {
                    "name": run,
                    "looks": len(looks.get(run, {}).get(LOOK_TAG, ())),
                    "pictures": pictures.get(run, 0),
                    "alarms": run in alarmed,
                }
                for run in newest_last
            ]
        )

    def _alarmed(self, request: wrappers.Request) -> set[str]:
        """The runs in which something alarmed: it is a text of its own, so that no look need be read for it."""
        texts = self._data.list_tensors(
            plugin_util.context(request.environ),
            experiment_id=plugin_util.experiment_id(request.environ),
            plugin_name="text",
        )
        return {run for run, tags in texts.items() if any(map(_ALARMS.search, tags))}

    def _looks(self, request: wrappers.Request) -> Answer:
        run, first, last = request.args["run"], int(request.args["from"]), int(request.args["to"])
        looks = self._sequences(request, PLUGIN, [LOOK_TAG], [run]).get(run, {}).get(LOOK_TAG, ())
        context = plugin_util.context(request.environ)
        blobs = [[blob.blob_key for blob in look.values] for look in looks[first:last]]
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:
            heads = pool.map(
                partial(self._head, context),
                [keys[0] for keys in blobs],
                [look.wall_time for look in looks[first:last]],
            )
        return as_json([{**head, "blobs": keys} for head, keys in zip(heads, blobs, strict=True) if head is not None])

    def _setup(self, request: wrappers.Request) -> Answer:
        run, wanted = request.args["run"], request.args["id"]
        context = plugin_util.context(request.environ)
        tag = SETUP_TAG + wanted
        for setup in self._sequences(request, PLUGIN, [tag], [run]).get(run, {}).get(tag, ()):
            first, *pictures = (blob.blob_key for blob in setup.values)
            head = self._head(context, first, setup.wall_time)
            if head is not None:
                return as_json({"head": head, "blobs": pictures})
        return as_json(None)

    def _blobs(self, request: wrappers.Request) -> Answer:
        """All that a step of the slider needs at once: one after the other they would take a request each."""
        keys = json.loads(request.get_data(as_text=True))
        if not (isinstance(keys, list) and len(keys) <= _MOST_BLOBS and all(isinstance(key, str) for key in keys)):
            raise ValueError("not a list of keys")
        context = plugin_util.context(request.environ)
        with ThreadPoolExecutor(_READ_AT_ONCE) as pool:  # each waits some 40 ms for the data server
            blobs = [*pool.map(partial(self._blob, context), keys)]
        return b"".join(len(blob).to_bytes(4, "little") + blob for blob in blobs), "application/octet-stream"

    def _picture(self, request: wrappers.Request) -> Answer:
        content = self._blob(plugin_util.context(request.environ), request.args["key"])
        # By what it is, never by what anybody says that it is: a browser must not take a blob for a page.
        return content, next(kind for start, kind in _PICTURE_TYPES.items() if content.startswith(start))

    def _pictures(self, request: wrappers.Request) -> Answer:
        run = request.args["run"]
        tags = list(self._our_pictures(request, [run]).get(run, ()))
        sequences = self._sequences(request, "images", tags, [run]).get(run, {}) if tags else {}
        return as_json(
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

    def _blob(self, context: Any, key: str) -> bytes:
        """A blob; empty where there is none any more, as of a run that was deleted."""
        with suppress(errors.PublicError, ValueError, LookupError):  # the two data servers say it each in its way
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
                head = json.loads(zlib.decompress(self._blob(context, key)))
                self._heads[key, wall_time] = head
            return self._heads[key, wall_time]
        return None


def _filter(runs: Sequence[str] | None, tags: Iterable[str] | None) -> Any:
    from tensorboard.data import provider  # noqa: PLC0415 - not at TensorBoard's start

    return provider.RunTagFilter(runs, None if tags is None else list(tags))


def _address(datum: Any) -> str:
    return "picture?" + urlencode({"key": datum.values[_BEFORE_THE_PICTURE].blob_key, "of": datum.wall_time})
