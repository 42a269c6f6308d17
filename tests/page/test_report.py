from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

import lightning_cnnviz.page.report
from lightning_cnnviz.page.report import RunRecord, bundle, read_report, report, thinned
from lightning_cnnviz.render.colormaps import lookup_table
from tests.helpers.records import HOSTILE, run_record

STATIC = Path(lightning_cnnviz.page.report.__file__).parent / "static"


def test_a_report_holds_the_record_to_the_byte() -> None:
    runs = [run_record("a", 3), run_record(HOSTILE, 2)]
    assert read_report(report(runs)) == runs


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = report([run_record("a", 2)]).decode()
    assert "default-src 'none'" in text
    assert not re.search(r'(src|href)="(?!data:)[^"]*//', text)
    assert not re.findall(r"https?://[^\s\"']+", text)


def test_names_end_no_script() -> None:
    text = report([run_record("</script><script>alert(1)</script>", 1)]).decode()
    assert "alert(1)</script>" not in text
    assert read_report(text.encode())[0].name == "</script><script>alert(1)</script>"


def test_a_large_run_is_thinned_to_what_fits() -> None:
    looks = [[bytes([index]) * 3000] for index in range(200)]
    content = report([RunRecord("a", {}, looks)], most_bytes=250_000)
    kept = [look[0][0] for look in read_report(content)[0].looks]
    assert len(content) <= 250_000
    assert kept[0] == 0
    assert kept[-1] == 199
    assert sum(index < 50 for index in kept) > len(kept) / 2, "early looks are closer together than late ones"
    assert len(kept) > 30


def test_thinning_keeps_what_fits() -> None:
    looks = [[b"x" * 10]] * 5
    assert thinned(looks, 10**6) == looks
    assert len(thinned(looks, 0)) == 3


def test_pictures_are_left_out_before_looks() -> None:
    picture = b"\x89PNG" + bytes(3000)
    looks = [[bytes([index]) * 100, picture, b"maps"] for index in range(40)]
    kept = thinned(looks, 60_000)
    assert [look[0] for look in kept] == [look[0] for look in looks]
    assert all(look[2] == b"maps" for look in kept)
    left = [index for index, look in enumerate(kept) if look[1]]
    assert len(left) >= 10
    assert (left[0], left[-1]) == (0, 39)
    assert all(look[1] in (picture, b"") for look in kept)
    assert not any(look[1] for look in thinned(looks, 5_000))
    assert looks[1][1] == picture, "what was given stays as it was"


def test_every_import_of_the_page_is_in_the_bundle() -> None:
    script = bundle()
    assert not re.search(r"^\s*(import|export) ", script, re.MULTILINE)
    assert re.findall(r'modules\["(\w+\.js)"\] = ', script)[-1] == "file.js"


def test_color_maps_are_those_of_the_pictures() -> None:
    source = (STATIC / "colormaps.js").read_text()
    tables = re.findall(r'^  (\w+): "([^"]+)",$', source, re.MULTILINE)
    assert len(tables) == source.count('"') // 2 >= 8
    for name, table in tables:
        assert base64.b64decode(table) == lookup_table(name).tobytes(), name


def test_what_is_no_report_is_refused() -> None:
    with pytest.raises(ValueError, match="no report"):
        read_report(b"<html></html>")
