from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.logger import DummyLogger
from torch.utils.tensorboard import SummaryWriter

from lightning_cnnviz.output import registry
from lightning_cnnviz.output.artifacts import Artifact, Picture
from lightning_cnnviz.output.files import FileSink
from lightning_cnnviz.output.registry import register_sink, sink_factory
from lightning_cnnviz.output.sink import ClientSink, Sink
from lightning_cnnviz.output.tensorboard import TensorBoardSink
from lightning_cnnviz.output.writer import BackgroundWriter
from lightning_cnnviz.training.destinations import Destinations
from tests.helpers.pictures import decode, noise
from tests.output.test_tensorboard import read


class Nowhere(Sink):
    def write(self, artifact: Artifact, step: int) -> None: ...


@pytest.fixture
def own_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))


def sink(logger: object) -> Sink:
    factory = sink_factory(logger)
    assert factory is not None
    return factory(logger)


def test_a_logger_and_what_derives_from_it_have_the_same_sink(tmp_path: Path) -> None:
    class MyLogger(TensorBoardLogger): ...

    for logger in (TensorBoardLogger(tmp_path / "a"), MyLogger(tmp_path / "b")):
        found = sink(logger)
        assert isinstance(found, TensorBoardSink)
        assert found.client is logger.experiment


def test_the_loggers_of_the_other_lightning_package_are_known(tmp_path: Path) -> None:
    theirs = SummaryWriter(tmp_path)

    class Base:
        experiment = theirs

    foreign = type("Subclass", (type("TensorBoardLogger", (Base,), {}),), {})()
    assert not isinstance(foreign, TensorBoardLogger)
    assert sink(foreign).client is theirs  # type: ignore[attr-defined]


def test_what_only_pretends_has_no_sink(tmp_path: Path) -> None:
    trainer = Trainer(fast_dev_run=True, logger=TensorBoardLogger(tmp_path), accelerator="cpu")
    for nobody in (*trainer.loggers, DummyLogger(), None, object()):
        assert sink_factory(nobody) is None


def test_csv_has_files_beside_its_metrics(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    logger = CSVLogger(tmp_path, name="runs", version=3)
    found = sink(logger)
    assert isinstance(found, FileSink)
    assert found.directory == tmp_path / "runs" / "version_3" / "cnnviz"
    found.write(Picture("a", noise()), 0)
    logger.log_metrics({"loss": 1.0}, 0)
    logger.save()
    assert {path.name for path in (tmp_path / "runs" / "version_3").iterdir()} - {"hparams.yaml"} == {
        "cnnviz",
        "metrics.csv",
    }
    assert list(recwarn) == []


def test_two_loggers_get_the_same(tmp_path: Path) -> None:
    loggers = [TensorBoardLogger(tmp_path / name) for name in "ab"]
    writer = BackgroundWriter([sink(logger) for logger in loggers])
    writer.submit(Picture("filters/conv1", noise()), 5)
    assert writer.close()
    for logger in loggers:
        [event] = read(Path(logger.log_dir)).Images("filters/conv1")
        assert event.step == 5
        assert (decode(event.encoded_image_string) == noise()).all()


@pytest.mark.usefixtures("own_entries")
def test_a_user_can_teach_another_logger_and_replace_what_is_there(tmp_path: Path) -> None:
    class MyLogger:
        pass

    class Derived(MyLogger):
        pass

    nowhere = Nowhere()
    register_sink("MyLogger", lambda logger: nowhere)
    assert sink(Derived()) is nowhere
    register_sink("TensorBoardLogger", lambda logger: nowhere)
    assert sink(TensorBoardLogger(tmp_path)) is nowhere


@pytest.mark.parametrize("arguments", [(TensorBoardLogger, Nowhere), ("MyLogger", None), (None, Nowhere)])
def test_what_cannot_be_registered_is_refused(arguments: Any) -> None:
    with pytest.raises(TypeError, match="register_sink takes a class name and a function from a logger to a sink"):
        register_sink(*arguments)


def test_loggers_of_one_run_have_one_sink(tmp_path: Path, own_entries: None) -> None:
    class OfOneRun(ClientSink):
        takes = (Picture,)
        write = Nowhere.write

    class OneRunForAll(CSVLogger): ...

    one_run = object()
    register_sink("OneRunForAll", lambda logger: OfOneRun(one_run))
    loggers = [OneRunForAll(tmp_path), OneRunForAll(tmp_path), *(TensorBoardLogger(tmp_path / name) for name in "ab")]
    trainer = Trainer(logger=loggers, accelerator="cpu", default_root_dir=tmp_path)
    kinds = [type(one) for one in Destinations(trainer, print).sinks()]
    assert kinds == [OfOneRun, TensorBoardSink, TensorBoardSink]
