"""The callback: what Lightning calls, and who does it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from lightning.pytorch import LightningModule, Trainer

from lightning_cnnviz.arguments import one_of, positive, text
from lightning_cnnviz.keys import optional_key, required_key
from lightning_cnnviz.look import check_views
from lightning_cnnviz.model.entry import Forward, check_reading
from lightning_cnnviz.model.outputs.readings import OutputKind
from lightning_cnnviz.model.targets import Target, check_target
from lightning_cnnviz.output.artifacts import PictureFormat
from lightning_cnnviz.output.sink import Sink, check_sinks
from lightning_cnnviz.samples import DEFAULT_COUNT, FixedSamples
from lightning_cnnviz.training.copying import OwnCopies
from lightning_cnnviz.training.failures import Failures, OnError, batch_entry, entry, refusing
from lightning_cnnviz.training.membership import Membership
from lightning_cnnviz.training.memory import Memory, restore, saved
from lightning_cnnviz.training.rehearsal import check_distinct
from lightning_cnnviz.training.sampling import Sampling
from lightning_cnnviz.training.schedule import Schedule
from lightning_cnnviz.training.training_watching import Watching
from lightning_cnnviz.training.validation_watching import ValidationWatching
from lightning_cnnviz.views import View, default_views
from lightning_cnnviz.views.base import check_font


class CNNVisualizer(OwnCopies):
    """Draws what a CNN sees on fixed samples into the Trainer's loggers.

    It looks before training and after every validation. Training goes on with the same bits as without it. A view that
    fails is switched off with one warning, the run goes on.

    Args:
        views: what to look at; None: :class:`Predictions`, :class:`FeatureMaps`, :class:`Filters`, :class:`Saliency`,
            :class:`GradCAM`.
        samples: the images, or how many are taken from the first validation batches, spread over the classes.
        show: how many of the samples are drawn; numbers use all of them.
        target: which class score is explained: of the ``"predicted"`` class, of the ``"label"``, of a fixed class, of
            one class for each sample, or a function from the scores (N, classes) to class indices or scores (N,).
        every_n_epochs: look in every n-th epoch.
        log_untrained: whether to look once before the first training step.
        image_key: where the images are in a validation batch: an index, a key, or ``"a.b"`` for nested batches.
        label_key: where the labels are; None if there are none.
        output_key: where the class scores are in what the model returns; None: the tensor itself, or a common name.
        output: what the scores are: ``"logits"`` or ``"probabilities"`` of classes of which one is true,
            ``"multilabel"`` for independent ones, ``"regression"`` for values, ``"embedding"`` for places whose
            distances alone mean something; ``"auto"``: what model and data tell.
        forward: what to call if not the model itself: the name of a module of it, or a function of the images (N, C, H,
            W), or of the model and the images.
        mean: what the images were normalised with, by channel; None: found in the dataset's transforms.
        std: as ``mean``.
        class_names: None: the dataset's ``classes``.
        bands: the three channels shown as red, green and blue where images have more than three, counted from 0.
        tag_prefix: put before every tag, to tell several of these callbacks apart; None: nothing.
        max_overhead: the share of the training time, above 0 and at most 1, that looks may take; beyond it the last of
            the views are left out until there is room again, but never in the first and the last epoch.
        sinks: where to write, for example ``[FileSink("pictures")]``; None: to the Trainer's loggers, or to files below
            its ``default_root_dir`` if it has none.
        picture_format: ``"png"``, or ``"jpeg"`` for photographs: a fifth of the size, with losses; ``"smallest"``: each
            picture in the one of the two that makes it smaller, which takes the time of both.
        font: the path of a font file for scripts that the installed fonts lack; None: what is installed.
        on_error: what a failure while training does: ``"warn"``, or ``"raise"`` for debugging.

    Raises:
        MisconfigurationException: an argument is out of its range; from ``setup`` on and before the first training step
            also if a view cannot work on the model or with the samples.

    Example:
        >>> from lightning.pytorch import Trainer
        >>> trainer = Trainer(callbacks=[CNNVisualizer()], logger=False, enable_checkpointing=False, accelerator="cpu")
    """

    def __init__(
        self,
        views: Sequence[View] | None = None,
        samples: FixedSamples | int = DEFAULT_COUNT,
        *,
        show: int = 8,
        target: Target = "predicted",
        every_n_epochs: int = 1,
        log_untrained: bool = True,
        image_key: int | str = 0,
        label_key: int | str | None = 1,
        output_key: int | str | None = None,
        output: OutputKind = "auto",
        forward: Forward | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        class_names: Sequence[str] | None = None,
        bands: Sequence[int] | None = None,
        tag_prefix: str | None = "",
        max_overhead: float | None = None,
        sinks: Sequence[Sink] | None = None,
        picture_format: PictureFormat = "png",
        font: str | None = None,
        on_error: OnError = "warn",
    ) -> None:
        super().__init__()
        name = type(self).__name__
        with refusing(name):
            self.failures = Failures(name, on_error)
            self.schedule = Schedule(name, every_n_epochs, log_untrained, max_overhead)
            self.tag_prefix = text("tag_prefix", "" if tag_prefix is None else tag_prefix)  # as configurations say it
            show = positive("show", show)
            one_of("picture_format", picture_format, get_args(PictureFormat))
            check_font(font)
            check_sinks(sinks)
            check_target(target)
            check_views(views)
            check_distinct(views)
            check_reading(output, forward)
            reading = {"output_key": optional_key("output_key", output_key), "output": output, "forward": forward}
            keys = required_key("image_key", image_key), optional_key("label_key", label_key)
            display = {"class_names": class_names, "mean": mean, "std": std, "bands": bands}
            # A class for each sample leaves no room for the further ones that numbers want.
            wanting = views if callable(target) or np.ndim(target) == 0 else None
            self.sampling = Sampling(self, samples, wanting, keys=keys, display=display)
        self.views = default_views() if views is None else list(views)
        self.show = show if isinstance(samples, FixedSamples) else min(show, int(samples))
        self.target = target
        self.reading: dict[str, Any] = reading
        self.class_names = class_names
        self.sinks = None if sinks is None else list(sinks)
        self.picture_format, self.font = picture_format, font
        self.memory = Memory(self.views, self.failures)
        self.membership = Membership(self)
        self.monitored: dict[str, float] = {}
        self.watching = Watching(self.views, self.failures, *keys)
        self._validation = ValidationWatching(self, *keys)

    @property
    def samples(self) -> FixedSamples | None:
        """The fixed samples, None until they are chosen."""
        return self.sampling.source.samples

    @property
    def state_key(self) -> str:
        """Class, tag prefix, and the position among those on the Trainer that share them; of its own before that."""
        return self._generate_state_key(tag_prefix=self.tag_prefix, position=self.membership.position)

    @entry
    def state_dict(self) -> dict[str, Any]:
        """Captured samples, what the views remember and the last step drawn, as tensors and primitives."""
        return saved(self, self.membership.session)

    @entry
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the same samples, references and prototypes."""
        restore(self, self.membership.session, state_dict)

    @entry
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Joins the other callbacks of this package on the Trainer, and checks the views against the model."""
        self.membership.join(trainer, pl_module, stage)

    @batch_entry
    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Takes samples from the first batches, and listens for the model's answers where a view wants them."""
        self.membership.join_late(trainer, pl_module)
        self.sampling.see(trainer, batch, batch_idx, dataloader_idx)
        self._validation.before_batch(trainer, pl_module, batch, batch_idx, dataloader_idx)

    @batch_entry
    def on_validation_batch_end(  # noqa: PLR0917 - Lightning's signature
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Shows the answers to the views that want them."""
        self._validation.after_batch(self.membership.session, pl_module)

    on_test_batch_start, on_test_batch_end = on_validation_batch_start, on_validation_batch_end

    @entry
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says what cannot work before the first step, and looks at the untrained model."""
        self.schedule.start()
        self.watching.start(trainer.current_epoch)
        session = self.membership.led(trainer, pl_module)
        if session is not None:
            session.start(pl_module)
            if trainer.global_step == 0:
                session.look(pl_module, untrained=True)

    @batch_entry
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Lets views watch the batches of the first epoch."""
        session = self.membership.led(trainer, pl_module)
        self.watching.see(trainer, batch)
        self.sampling.see_training(trainer, batch)
        if session is not None:
            session.pace.before_batch(trainer.optimizers)

    @batch_entry
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the loss."""
        session = self.membership.led(trainer, pl_module)
        if session is not None:
            session.pace.after_batch(outputs)

    @entry
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends watching; looks here if there is no validation to look after."""
        self.watching.finish(trainer.current_epoch)
        if not trainer.enable_validation:
            self._look(trainer, pl_module)

    @entry
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the model."""
        if not trainer.sanity_checking:
            self._look(trainer, pl_module)

    @entry
    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the model."""
        self._look(trainer, pl_module)

    @entry
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes what is still waiting; the loggers close next."""
        self._validation.stop()
        self.membership.close()

    @entry
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes what is still waiting."""
        if stage == "test":
            self.memory.take_back()
        self.membership.close()

    def _look(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """One look for all callbacks of this package, led by the first; the others find it done."""
        session = self.membership.led(trainer, pl_module)
        if session is not None:
            session.look(pl_module)
