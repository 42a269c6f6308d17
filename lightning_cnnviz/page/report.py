"""One HTML file with the page and its record, to be opened from the disk."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

_STATIC = Path(__file__).parent / "static"
_ENTRY = "file.js"
MOST_BYTES = 20 * 10**6
_IN_BASE64 = 4 / 3
_FEWEST_LOOKS = 3
_AROUND = 2_000
_UNFINISHED = (
    "If nothing follows, this file was cut off, as by copying it while it was being written, or JavaScript is switched "
    "off."
)
_AROUND_BLOB = 80

_IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./([^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_NAME = re.compile(r"(?:async )?(?:function|class|const) (\w+)")


@dataclass
class RunRecord:
    """The record of a run as blobs.

    Attributes:
        name: of the run.
        setups: the blobs of each setup by its name.
        looks: the blobs of each look, in the order of their steps.
        is_single: whether there is one look only, without a training around it.
    """

    name: str
    setups: dict[str, list[bytes]] = field(default_factory=dict)
    looks: list[list[bytes]] = field(default_factory=list)
    is_single: bool = False


def report(runs: Sequence[RunRecord], most_bytes: int = MOST_BYTES) -> bytes:
    """The page of these runs as one HTML file without a request to anywhere.

    Args:
        runs: side by side.
        most_bytes: of the file; looks are left out until it fits, late ones before early ones, never the first and the
            last.
    """
    script, style = bundle(), (_STATIC / "style.css").read_text(encoding="utf-8")
    # Setups that runs have in common are stored once.
    setups = {name: blobs for run in runs for name, blobs in run.setups.items()}
    left = most_bytes - _AROUND - len(script.encode()) - len(style.encode()) - sum(map(_size, setups.values()))
    blobs: list[bytes] = []
    numbers = {name: _numbered(setup, blobs) for name, setup in setups.items()}
    index = [
        {
            "name": run.name,
            "single": run.is_single,
            "alarms": len(runs) > 1 and any(map(_alarms, run.looks)),  # what is told apart in a list of runs
            "setups": {name: numbers[name] for name in run.setups},
            "looks": [_numbered(look, blobs) for look in thinned(run.looks, left // len(runs))],
        }
        for run in runs
    ]
    policy = (
        f"default-src 'none'; script-src 'sha256-{_sha256(script)}'; style-src 'sha256-{_sha256(style)}'; img-src blob:"
    )
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}; base-uri 'none'; form-action 'none'\">",
        '<meta name="viewport" content="width=device-width">',
        "<title>CNN Viz</title>",
        f"<style>{style}</style>",
        "<body>",
        f'<p class="unfinished">{_UNFINISHED}</p>',
        f'<script type="application/json" id="record-index">{_json({"runs": index})}</script>',
        *(
            f'<script type="text/plain" id="blob-{number}">{base64.b64encode(blob).decode()}</script>'
            for number, blob in enumerate(blobs)
        ),
        f'<script type="module">{script}</script>',
    ]
    return "\n".join(lines).encode()


def read_report(content: bytes) -> list[RunRecord]:
    """The runs that a file of :func:`report` holds.

    Raises:
        ValueError: it is no such file.
    """
    text = content.decode()
    index = re.search(r'id="record-index">(.*?)</script>', text)
    if index is None:
        raise ValueError("this is no report of lightning_cnnviz")
    coded = dict(re.findall(r'id="blob-(\d+)">([^<]*)<', text))
    blobs = {int(number): base64.b64decode(value) for number, value in coded.items()}
    try:
        return [
            RunRecord(
                run["name"],
                {name: [blobs[number] for number in numbers] for name, numbers in run["setups"].items()},
                [[blobs[number] for number in numbers] for numbers in run["looks"]],
                run["single"],
            )
            for run in json.loads(index[1])["runs"]
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("this is a damaged report of lightning_cnnviz") from error


class Thinning:
    """As many looks as fit, spaced by equal factors rather than equal steps: early ones are close together.

    Finished pictures, which take more room than numbers, are left out before looks are: an empty blob stands for them.

    Args:
        most_bytes: of the looks as they stand in the file.
    """

    def __init__(self, most_bytes: float) -> None:
        self._most_bytes = most_bytes
        self._size = self._count = 0
        self._looks: dict[int, list[bytes]] = {}
        self._with_pictures: list[int] = []

    @property
    def kept(self) -> list[list[bytes]]:
        """The blobs of the looks that are left, in their order."""
        return list(self._looks.values())

    def add(self, blobs: list[bytes]) -> None:
        """Takes in the next look, for which others may have to go, but never the first and the last two."""
        self._looks[self._count] = blobs
        if any(map(_is_picture, blobs)):
            self._with_pictures.append(self._count)
        self._count += 1
        self._size += _size(blobs)
        while self._size > self._most_bytes and self._with_pictures:
            place = self._with_pictures.pop(_least(self._with_pictures))
            self._replace(place, [b"" if _is_picture(blob) else blob for blob in self._looks[place]])
        while self._size > self._most_bytes and len(self._looks) > _FEWEST_LOOKS:
            places = list(self._looks)
            self._replace(places[_least(places)], [])

    def _replace(self, place: int, blobs: list[bytes]) -> None:
        """Blobs in place of those of a look; without any it is left out."""
        self._size += _size(blobs) - _size(self._looks[place])
        self._looks[place] = blobs
        if not blobs:
            del self._looks[place]


def _least(places: Sequence[int]) -> int:
    """Which of the places is worth least: one is worth the factor by which those beside it lie apart."""
    apart = [(later + 1) / (earlier + 1) for earlier, later in zip(places, places[2:])]  # noqa: B905 - of other lengths
    return 1 + apart.index(min(apart)) if apart else 0


def _is_picture(blob: bytes) -> bool:
    """By its first bytes: all other blobs are compressed by zlib."""
    return blob.startswith((b"\x89PNG", b"\xff\xd8\xff"))


def thinned(looks: Sequence[list[bytes]], most_bytes: float) -> list[list[bytes]]:
    """Of looks as many as fit, see :class:`Thinning`."""
    thinning = Thinning(most_bytes)
    for blobs in looks:
        thinning.add(blobs)
    return thinning.kept


def bundle(entry: str = _ENTRY) -> str:
    """A module with all that it needs as one: each a function of its own that hands out what it exports."""
    parts = ["const modules = {};"]
    for name in _in_order(entry, []):
        source = (_STATIC / name).read_text(encoding="utf-8")
        exported = [_NAME.match(source, match.end())[1] for match in _EXPORT.finditer(source)]  # type: ignore[index]
        body = _EXPORT.sub("", _IMPORT.sub(r'const \1 = modules["\2"];', source))
        parts.append(f'modules["{name}"] = (() => {{\n{body}\nreturn {{ {", ".join(exported)} }};\n}})();')
    script = "\n".join(parts)
    assert "</script" not in script, "it would end the script"
    return script


def _in_order(name: str, done: list[str]) -> list[str]:
    """The modules that a module needs, each after those that it needs itself."""
    for _, needed in _IMPORT.findall((_STATIC / name).read_text(encoding="utf-8")):
        if needed not in done:
            _in_order(needed, done)
    done.append(name)
    return done


def _alarms(look: Sequence[bytes]) -> bool:
    """Whether a look has alarms among its notes; one that cannot be read has none."""
    with suppress(ValueError, LookupError, TypeError, AttributeError, zlib.error):
        return any(tag.rpartition("/")[2] == "alarms" for tag in json.loads(zlib.decompress(look[0]))["notes"])
    return False


def _numbered(some: Sequence[bytes], blobs: list[bytes]) -> list[int]:
    """Adds some to the blobs of the file; their numbers."""
    first = len(blobs)
    blobs.extend(some)
    return list(range(first, len(blobs)))


def _json(value: object) -> str:
    """JSON without `<`, with which alone a text could end the script around it."""
    return json.dumps(value).replace("<", "\\u003c")


def _size(blobs: Sequence[bytes]) -> int:
    return round(sum(map(len, blobs)) * _IN_BASE64) + _AROUND_BLOB * len(blobs)


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
