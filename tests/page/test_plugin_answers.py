"""What the plugin answers to requests, whoever makes them."""

from __future__ import annotations

import base64
import json
import struct
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest
from torch.utils.tensorboard import SummaryWriter

from tests.helpers.browser import tensorboard
from tests.helpers.page import until
from tests.helpers.plugin import READY, answer_of, until_loaded, with_plugin
from tests.helpers.records import encoded_looks, write_run

pytestmark = pytest.mark.slow


def test_requests_that_fit_nothing_are_answered_not_found(tmp_path: Path) -> None:
    write_run(tmp_path / "logs", encoded_looks(1))
    environment = with_plugin(tmp_path / "entry")
    with tensorboard(
        tmp_path / "logs", "--load_fast=false", page="cnnviz", environment=environment, ready=READY
    ) as address:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz/"
        for route in (
            "looks?run=.",
            "looks?run=.&from=x&to=y",
            "static/../plugin.py",
            "plugin.py",
            "app.js",
            "blobs",
        ):
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(plugin + route)
            assert answer.value.code == 404, route
        for body in (b"", b"{}", b"[1]", b"\xff", json.dumps(["key"] * 65).encode()):
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(plugin + "blobs", body)
            assert answer.value.code == 404, body
        for route, kind in (
            ("index.js", "application/javascript"),
            ("style.css", "text/css"),
            ("runs", "application/json"),
            ("setup?run=.&id=none", "application/json"),
        ):
            with urllib.request.urlopen(plugin + route) as found:
                assert found.headers.get_content_type() == kind
                assert found.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("fast", ["true", "false"])
def test_blobs_come_together_and_one_that_is_gone_leaves_the_others(tmp_path: Path, fast: str) -> None:
    looks = list(encoded_looks(2))
    write_run(tmp_path / "logs" / "a/b %ü", looks)
    environment = with_plugin(tmp_path / "entry")
    served = tensorboard(tmp_path / "logs", f"--load_fast={fast}", environment=environment, ready=READY)
    with served as address:
        plugin = address.partition("?")[0] + "data/plugin/cnnviz"
        until_loaded(f"{plugin}/runs", {"a/b %ü": (3, 0)})
        query = urlencode({"run": "a/b %ü", "from": 0, "to": 3})
        first, second, _ = (look["blobs"] for look in answer_of(f"{plugin}/looks?{query}"))
        gone = _with_run(first[1], "deleted")
        body = json.dumps([first[1], gone, second[2], first[1]]).encode()
        with urllib.request.urlopen(f"{plugin}/blobs", body) as answer:
            assert answer.headers.get_content_type() == "application/octet-stream"
            content = answer.read()
        written = [looks[0][1].look[1], b"", looks[1][1].look[2], looks[0][1].look[1]]
        assert content == b"".join(struct.pack("<I", len(blob)) + blob for blob in written)


def _with_run(key: str, run: str) -> str:
    """The key of the same blob in another run; both data servers write JSON in base64, one as a list."""
    told = json.loads(base64.urlsafe_b64decode(key + "=="))
    place = next(i for i, part in enumerate(told) if part == "a/b %ü")
    told[place] = run
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


@pytest.mark.parametrize("fast", ["true", "false"])
def test_runs_that_alarmed_are_told_without_reading_their_looks(tmp_path: Path, fast: str) -> None:
    for name, tag in (("calm", "about/alarms/others"), ("loud", "concerned/alarms")):
        write_run(tmp_path / "logs" / name, encoded_looks(1))
        with SummaryWriter(str(tmp_path / "logs" / name)) as writer:
            writer.add_text(tag, "**moved**", 100)
    environment = with_plugin(tmp_path / "entry")
    served = tensorboard(tmp_path / "logs", f"--load_fast={fast}", environment=environment, ready=READY)
    with served as address:
        runs = f"{address.partition('?')[0]}{READY}"
        until(lambda: {run["name"]: run["alarms"] for run in answer_of(runs)} == {"calm": False, "loud": True})
