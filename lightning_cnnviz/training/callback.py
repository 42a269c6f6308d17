"""The callback: what Lightning calls, and who does it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_cnnviz.arguments import flag, one_of, optional_key, positive, required_key, text
from lightning_cnnviz.model.entry import Forward, check_reading
from lightning_cnnviz.model.readings import OutputKind
from lightning_cnnviz.model.targets import Target, check_target
from lightning_cnnviz.output.artifacts import PictureFormat
from lightning_cnnviz.output.sink import Sink, check_sinks
from lightning_cnnviz.samples import DEFAULT_COUNT, FixedSamples
from lightning_cnnviz.training.checks import check_distinct, check_share, check_views, refusing
from lightning_cnnviz.training.failures import Failures, OnError, batch_entry, entry
from lightning_cnnviz.training.memory import Memory, restore, saved
from lightning_cnnviz.training.rehearsal import check_views_on
from lightning_cnnviz.training.sampling import Sampling
from lightning_cnnviz.training.schedule import Schedule
from lightning_cnnviz.training.session import Session
from lightning_cnnviz.training.validation_watching import ValidationWatching
from lightning_cnnviz.training.watching import Watching
from lightning_cnnviz.views import View, default_views
from lightning_cnnviz.views.base import check_font

_unattached = itertools.count(1)


class CNNVisualizer(Callback):
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
            ``"multilabel"`` for independent ones, ``"regression"`` for values; ``"auto"``: what model and data tell.
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
        tag_prefix = "" if tag_prefix is None else tag_prefix  # `null` is how configuration files leave something out
        with refusing(type(self).__name__):
            show = positive("show", show)
            every_n_epochs = positive("every_n_epochs", every_n_epochs)
            flag("log_untrained", log_untrained)
            text("tag_prefix", tag_prefix)
            one_of("on_error", on_error, get_args(OnError))
            one_of("picture_format", picture_format, get_args(PictureFormat))
            check_share("max_overhead", max_overhead)
            check_font(font)
            output_key = optional_key("output_key", output_key)
            check_reading(output, forward)
            image_key, label_key = required_key("image_key", image_key), optional_key("label_key", label_key)
            check_target(target)
            check_views(views)
            check_distinct(views)
            check_sinks(sinks)
            display = {"class_names": class_names, "mean": mean, "std": std, "bands": bands}
            # A class for each sample leaves no room for the further ones that numbers want.
            wanting = views if callable(target) or np.ndim(target) == 0 else None
            self.sampling = Sampling(self, samples, wanting, keys=(image_key, label_key), display=display)
            self.show = show if isinstance(samples, FixedSamples) else min(show, int(samples))
        self.views = default_views() if views is None else list(views)
        self.target = target
        self.log_untrained = log_untrained
        self.reading: dict[str, Any] = {"output_key": output_key, "output": output, "forward": forward}
        self.class_names = class_names
        self.tag_prefix = tag_prefix
        self.sinks = None if sinks is None else list(sinks)
        self.picture_format = picture_format
        self.font = font
        self.failures = Failures(type(self).__name__, on_error)
        self.schedule = Schedule(type(self).__name__, every_n_epochs, log_untrained, max_overhead)
        self.memory = Memory(self.views, self.failures)
        self.monitored: dict[str, float] = {}
        self._watching = Watching(self.views, self.failures, image_key, label_key)
        self._validation = ValidationWatching(self, image_key, label_key)
        self._session: Session | None = None
        self._position = -next(_unattached)

    @property
    def samples(self) -> FixedSamples | None:
        """The fixed samples, None until they are chosen."""
        return self.sampling.source.samples

    @property
    def state_key(self) -> str:
        """Class, tag prefix, and the position among those on the Trainer that share them; of its own before that."""
        return self._generate_state_key(tag_prefix=self.tag_prefix, position=self._position)

    @entry
    def state_dict(self) -> dict[str, Any]:
        """Captured samples, what the views remember and the last step drawn, as tensors and primitives."""
        return saved(self, self._session)

    @entry
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the same samples, references and prototypes."""
        restore(self, self._session, state_dict)

    @entry
    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Joins the other callbacks of this package on the Trainer, and checks the views against the model."""
        peers = [callback for callback in trainer.callbacks if isinstance(callback, CNNVisualizer)]  # type: ignore[attr-defined]
        before, session = self._session, Session.of(trainer, peers, peers[0]._session)
        self._session, self._position = session, session.position_of(self)
        self.memory.begin()
        if before is not None and before is not session:  # another Trainer: it starts afresh
            self.memory.forget()
            self.sampling.forget()
            self.monitored.clear()
        if stage == "test":
            self.memory.set_aside()
        self.failures.reset()
        self.sampling.start(stage)
        check_views_on(session, self, pl_module)

    @batch_entry
    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Takes samples from the first batches, and listens for the model's answers where a view wants them."""
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
        self._validation.after_batch(None if self._session is None else self._session.known_reading(self))

    on_test_batch_start, on_test_batch_end = on_validation_batch_start, on_validation_batch_end

    @entry
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says what cannot work before the first step, and looks at the untrained model."""
        self._watching.start(trainer.current_epoch)
        self.schedule.start()
        session = self._led_session()
        if session is not None:
            session.start(pl_module)
            if trainer.global_step == 0:
                session.look(pl_module, untrained=True)

    @batch_entry
    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Lets views watch the batches of the first epoch."""
        self._watching.see(trainer, batch)
        self.sampling.see_training(trainer, batch)
        session = self._led_session()
        if session is not None:
            session.pace.before_batch(trainer.optimizers)

    @batch_entry
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the loss."""
        session = self._led_session()
        if session is not None:
            session.pace.after_batch(outputs)

    @entry
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends watching; looks here if there is no validation to look after."""
        self._watching.finish()
        if not trainer.enable_validation:
            self._look(pl_module)

    @entry
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the model."""
        if not trainer.sanity_checking:
            self._look(pl_module)

    @entry
    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the model."""
        self._look(pl_module)

    @entry
    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes what is still waiting; the loggers close next."""
        self._validation.stop()
        self._close()

    @entry
    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes what is still waiting."""
        if stage == "test":
            self.memory.take_back()
        self._close()

    def _look(self, pl_module: LightningModule) -> None:
        """One look for all callbacks of this package, led by the first; the others find it done."""
        session = self._led_session()
        if session is not None:
            session.look(pl_module)

    def _close(self) -> None:
        session = self._led_session()
        if session is not None:
            session.close()

    def _led_session(self) -> Session | None:
        """The session, if this callback is the one that acts for all on its Trainer."""
        session = self._session
        return session if session is not None and session.callbacks[0] is self else None
