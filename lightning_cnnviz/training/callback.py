"""The callbacks: when to look, at what, where to write, and what to do when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from lightning_cnnviz.model.evidence import Request
from lightning_cnnviz.model.targets import Target, check_target
from lightning_cnnviz.output.artifacts import PictureFormat
from lightning_cnnviz.samples import DEFAULT_COUNT, FixedSamples, SampleSource, same_samples, unpack
from lightning_cnnviz.training.checks import check_classes, check_share, check_views
from lightning_cnnviz.training.ranks import Plan, Ranks
from lightning_cnnviz.training.request_only import RequestOnly
from lightning_cnnviz.training.schedule import Moment, Schedule
from lightning_cnnviz.training.session import Assignment, Session
from lightning_cnnviz.training.weight_averaging import drawn_weights
from lightning_cnnviz.views import View, default_views
from lightning_cnnviz.views.base import one_of, positive

_DEFAULT_SANITY_BATCHES = 2


class CNNVisualizer(Callback):
    """Draws what a CNN sees on fixed samples into the Trainer's TensorBoard loggers.

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
        mean: what the images were normalised with, by channel; None: found in the dataset's transforms.
        std: as ``mean``.
        class_names: None: the dataset's ``classes``.
        tag_prefix: put before every tag, to tell several of these callbacks apart.
        max_overhead: the share of the training time, above 0 and at most 1, that looks may take; beyond it the last of
            the views are left out until there is room again, but never in the first and the last epoch.
        picture_format: ``"png"``, or ``"jpeg"`` for photographs: a fifth of the size, with losses.
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
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        class_names: Sequence[str] | None = None,
        tag_prefix: str = "",
        max_overhead: float | None = None,
        picture_format: PictureFormat = "png",
        on_error: Literal["warn", "raise"] = "warn",
    ) -> None:
        super().__init__()
        try:
            positive("show", show)
            positive("every_n_epochs", every_n_epochs)
            one_of("on_error", on_error, ("warn", "raise"))
            one_of("picture_format", picture_format, get_args(PictureFormat))
            check_share("max_overhead", max_overhead)
            check_target(target)
            check_views(views)
            self.show, taken = show, samples
            if isinstance(samples, int) and samples > 0:
                # Numbers may want more samples than are to be drawn.
                self.show, taken = min(show, samples), max([samples, *(view.wanted_samples for view in views or ())])
            self._source = SampleSource(
                taken, image_key=image_key, label_key=label_key, class_names=class_names, mean=mean, std=std
            )
        except (ValueError, TypeError) as error:
            raise MisconfigurationException(f"{type(self).__name__}: {error}") from error
        self.views = default_views() if views is None else list(views)
        self.target = target
        self.log_untrained = log_untrained
        self._schedule = Schedule(every_n_epochs, log_untrained, max_overhead, self._warn)
        self.image_key, self.label_key, self.output_key = image_key, label_key, output_key
        self.class_names = class_names
        self.tag_prefix = tag_prefix
        self.picture_format = picture_format
        self.on_error = on_error
        self._session: Session | None = None
        self._off: set[View] = set()
        self._chosen = False
        self._unreadable: ValueError | None = None
        self._observed_epoch: int | None = None
        self._seen_step: int | None = None

    @property
    def state_key(self) -> str:
        """Differs between callbacks that draw different things."""
        return self._generate_state_key(tag_prefix=self.tag_prefix, views=[repr(view) for view in self.views])

    def state_dict(self) -> dict[str, Any]:
        """Captured samples, what the views remember and the last steps drawn, as tensors and primitives."""
        session = self._session
        return {
            "samples": self._source.state_dict(),
            "views": [view.state_dict() for view in self.views],
            "last_steps": dict(session.last_steps) if session is not None else {},
            "last_step": session.last_step if session is not None else -1,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on with the same samples, references and prototypes."""
        self._source.load_state_dict(state_dict["samples"])
        for view, state in zip(self.views, state_dict["views"], strict=True):
            view.load_state_dict(state)
        if self._session is not None:
            self._session.last_steps.update(state_dict["last_steps"])
            self._session.last_step = max(self._session.last_step, state_dict["last_step"])

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Checks the views against the model and joins the other callbacks of this package on the Trainer."""
        leader = self._peers(trainer)[0]
        if leader is self and (self._session is None or self._session.trainer is not trainer):
            self._session = Session(trainer, rank_zero_info, rank_zero_warn)
        self._session = leader._session
        self._off.clear()
        self._chosen = False
        if any(True for _ in pl_module.parameters()):  # else configure_model() makes the layers later
            with self._misconfigured():
                for view in self.views:
                    view.check(pl_module)

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Takes samples from the first batches."""
        self._collect(trainer, batch, batch_idx, dataloader_idx)

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Takes samples from the first batches."""
        self._collect(trainer, batch, batch_idx, dataloader_idx)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rehearses, so that what cannot work is said before training, and looks at the untrained model."""
        self._seen_step = None
        self._observed_epoch = trainer.current_epoch
        if self._session is not None:
            self._session.costs.start()
        with self._misconfigured():
            self._ranks.run_and_share_errors(lambda: self._prepare(trainer, pl_module))
        if trainer.global_step == 0:
            self._look(trainer, pl_module, untrained=True)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Lets views watch the batches of the first epoch."""
        watching = [view for view in self.views if view.watches_training and view not in self._off]
        if watching and trainer.is_global_zero and trainer.current_epoch == self._observed_epoch:
            self._observe(watching, batch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Ends watching; looks here if there is no validation to look after."""
        for view in self.views:
            view.finish_observing()
        if not trainer.enable_validation:
            self._look(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the model."""
        if not trainer.sanity_checking:
            self._look(trainer, pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at the model."""
        self._look(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Writes what is still waiting; the loggers close next."""
        self._close(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes what is still waiting."""
        self._close(trainer)

    def _look(self, trainer: Trainer, pl_module: LightningModule, *, untrained: bool = False) -> None:
        """One look for all callbacks of this package, led by the first; the others find it done."""
        peers = self._peers(trainer)
        if self is not peers[0] or self._session is None:
            return
        monitored: dict[str, float] = {}
        if self._session.ranks.calls_model:
            monitored = self._look_here(trainer, pl_module, self._session, untrained)
        # One rank knows whether a number came of it, all know whether one may come: all must meet here.
        if any(view.monitors for peer in peers for view in peer.views) and not untrained:
            for tag, value in trainer.strategy.broadcast(monitored).items():
                pl_module.log(tag, value)

    def _look_here(
        self, trainer: Trainer, pl_module: LightningModule, session: Session, untrained: bool
    ) -> dict[str, float]:
        peers = self._peers(trainer)
        for peer in peers:
            peer._try_to_choose_samples(trainer)
        plan = session.ranks.broadcast_decision(lambda: self._plan(trainer, session, untrained))
        if plan is None:
            return {}
        self._seen_step = trainer.global_step
        assignments = [peer._assignment(due, session) for peer, due in zip(peers, plan.due, strict=True) if due]
        weights = drawn_weights(_callbacks(trainer), self)
        if weights is not None and trainer.state.fn == TrainerFn.FITTING and trainer.validating:
            session.note("weights", weights, plan.step)
        return session.run_look(pl_module, assignments, plan.step, plan.epoch)

    def _plan(self, trainer: Trainer, session: Session, untrained: bool) -> Plan | None:
        peers = self._peers(trainer)
        if not session.has_sinks and not any(view.monitors for peer in peers for view in peer.views):
            return None
        due = [peer._due(trainer, session, untrained) for peer in peers]
        step = self._step(trainer, session)
        if step is None or not any(due):
            return None
        return Plan(step, None if untrained else trainer.current_epoch, due)

    def _step(self, trainer: Trainer, session: Session) -> int | None:
        """The step of Lightning's own validation metrics, or the next free one; None if nothing was learnt since."""
        stepped = getattr(trainer.fit_loop.epoch_loop, "_batches_that_stepped", trainer.global_step)
        if stepped > session.last_step:
            return int(stepped)
        if trainer.state.fn == TrainerFn.FITTING and self._seen_step == trainer.global_step:
            return None
        return session.last_step + 1

    def _due(self, trainer: Trainer, session: Session, untrained: bool) -> dict[int, dict[str, Any]]:
        """The positions of the views that are due, with what the other ranks need to know of them."""
        if self.samples is None:
            return {}
        views = [view for view in self.views if view not in self._off]
        due = self._schedule.due(views, self._moment(trainer, untrained), session.costs)
        return {self.views.index(view): view.state_dict() if session.ranks.sharded else {} for view in due}

    def _moment(self, trainer: Trainer, untrained: bool) -> Moment:
        if trainer.state.fn != TrainerFn.FITTING:
            return Moment(None)
        epoch = trainer.current_epoch
        return Moment(
            epoch, untrained, fixed=untrained or epoch in (self._observed_epoch, (trainer.max_epochs or 0) - 1)
        )

    def _assignment(self, due: Mapping[int, Mapping[str, Any]], session: Session) -> Assignment:
        assert self.samples is not None
        views: list[View] = [self.views[position] for position in due]
        failed = self._failed
        if not session.ranks.is_main:
            views = [RequestOnly(view, state) for view, state in zip(views, due.values(), strict=True)]
            failed = _left_to_rank_zero
        return self._assign(self.samples, views, failed)

    def _assign(
        self, samples: FixedSamples, views: Sequence[View], failed: Callable[[Sequence[View], Exception], None]
    ) -> Assignment:
        return Assignment(
            samples=samples,
            views=views,
            target=self.target,
            output_key=self.output_key,
            shown=self.show,
            tag_prefix=self.tag_prefix,
            picture_format=self.picture_format,
            failed=failed,
        )

    def _collect(self, trainer: Trainer, batch: Any, batch_idx: int, dataloader_idx: int) -> None:
        sanity = trainer.num_sanity_val_steps
        batches = sanity if 0 < sanity < float("inf") else _DEFAULT_SANITY_BATCHES
        if not self._source.wants_batches or dataloader_idx != 0 or batch_idx >= batches or not trainer.is_global_zero:
            return
        if self._unreadable is None and len(self._off) < len(self.views):
            try:
                self._source.add(batch)
            except ValueError as error:
                self._unreadable = error  # raised where the other ranks hear of it

    def _try_to_choose_samples(self, trainer: Trainer) -> None:
        try:
            self._choose_samples(trainer)
        except ValueError as error:
            self._failed(self.views, error)

    def _choose_samples(self, trainer: Trainer) -> FixedSamples | None:
        if self._chosen:
            return self.samples
        self._source.samples = samples = self._ranks.broadcast_decision(lambda: self._choice(trainer))
        if samples is None:
            return None
        self._chosen = True
        for peer in self._peers(trainer):
            if peer.samples is not None and same_samples(peer.samples, samples):
                self._source.samples = samples = peer.samples  # the very same object: looks are shared by identity
        note = samples.display_note()
        if note is not None and self._session is not None:
            self._session.say(note)
        return samples

    def _choice(self, trainer: Trainer) -> FixedSamples | None:
        error, self._unreadable = self._unreadable, None
        if error is not None:
            raise error
        return self._source.choose(_dataset(trainer))

    def _prepare(self, trainer: Trainer, pl_module: LightningModule) -> None:
        samples = self._choose_samples(trainer)
        if samples is not None:
            self._rehearse(pl_module, samples)
        elif not trainer.enable_validation:
            rank_zero_warn(
                f"{self._name} draws nothing: there is no validation to take samples from; "
                "give samples=FixedSamples(...)"
            )
        elif self.log_untrained:
            rank_zero_info(
                f"{self._name} cannot draw the untrained model: without a sanity check it has no samples yet"
            )

    def _rehearse(self, pl_module: LightningModule, samples: FixedSamples) -> None:
        if self._session is None:
            return
        assignment = self._assign(samples, self.views, self._failed)
        with self._misconfigured():
            try:
                layout = self._session.survey(pl_module, assignment)
            except (ValueError, TypeError):
                raise
            except Exception as error:
                if self._source.is_given:
                    shape = tuple(samples.images.shape)
                    raise ValueError(f"the model cannot take the samples of shape {shape}: {error}") from error
                self._failed(self.views, error)
                return
            check_classes(layout, samples, self.target, self.class_names)
            found = {
                view.name: sorted(_layers(view.request(layout, samples)), key=layout.position) for view in self.views
            }
        picked = "; ".join(f"{name} of {', '.join(layers)}" for name, layers in found.items() if layers)
        rank_zero_info(f"{self._name} looks at {len(samples)} samples{': ' if picked else ''}{picked}")

    def _observe(self, views: Sequence[View], batch: Any) -> None:
        try:
            images, labels = unpack(batch, self.image_key, self.label_key)
            if labels is None:
                raise ValueError(f"the training batches have no class labels under label_key={self.label_key!r}")
            for view in views:
                view.observe(images, labels)
        except Exception as error:
            self._failed(views, error)

    def _failed(self, views: Sequence[View], error: Exception) -> None:
        if self.on_error == "raise":
            raise error
        self._off.update(views)
        names = ", ".join(view.name for view in views)
        rank_zero_warn(f"{self._name} goes on without {names}: {type(error).__name__}: {error}")

    def _close(self, trainer: Trainer) -> None:
        if self._session is not None and self is self._peers(trainer)[0]:
            self._session.close()

    def _peers(self, trainer: Trainer) -> list[CNNVisualizer]:
        return [callback for callback in _callbacks(trainer) if isinstance(callback, CNNVisualizer)]

    @property
    def samples(self) -> FixedSamples | None:
        """The fixed samples, None until they are chosen."""
        return self._source.samples

    @property
    def _ranks(self) -> Ranks:
        assert self._session is not None, "setup() comes first"
        return self._session.ranks

    def _warn(self, text: str) -> None:
        rank_zero_warn(f"{self._name}: {text}")

    @property
    def _name(self) -> str:
        return type(self).__name__

    @contextmanager
    def _misconfigured(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError) as error:
            raise MisconfigurationException(f"{self._name}: {error}") from error


def _layers(request: Request) -> frozenset[str]:
    return request.activations | request.gradients | request.weights


def _callbacks(trainer: Trainer) -> list[Callback]:
    callbacks: list[Callback] = trainer.callbacks  # type: ignore[attr-defined] # set by Lightning's connector
    return callbacks


def _dataset(trainer: Trainer) -> object:
    """The dataset behind the first evaluation loader, without touching the loader's iterator."""
    loaders = trainer.test_dataloaders if trainer.state.fn == TrainerFn.TESTING else trainer.val_dataloaders
    while isinstance(loaders, (Sequence, Mapping)) and loaders:
        loaders = next(iter(loaders.values())) if isinstance(loaders, Mapping) else loaders[0]
    return getattr(loaders, "dataset", None)


def _left_to_rank_zero(views: Sequence[View], error: Exception) -> None:
    """What failed on all ranks is reported, and left out of the next plan, by rank 0."""
