"""Which network an embedder runs: found, held against what an index expects, and loaded when it is first needed."""

import os
from typing import NamedTuple

from retrieval.embed.runtime import Runtime
from retrieval.engines import registry
from retrieval.engines.openvino import calibrated
from retrieval.engines.openvino.calibrated import CalibratedNetwork
from retrieval.engines.protocol import INT8, Engine
from retrieval.errors import CheckpointError, ModelError, ModelMismatchError, Remedy
from retrieval.manifest import Model
from retrieval.models import zoo
from retrieval.models.head import HEAD_NAME, Head
from retrieval.models.head_cache import head_of
from retrieval.models.known import COMPACT
from retrieval.models.lazy_checkpoint import LazyCheckpoint


class Loaded(NamedTuple):
    """A network that is ready to run."""

    engine: Engine
    model: Model
    head: Head
    process: int  # that loaded it


class Network:
    """One network, by what a user or an index says of it; the arguments are those of Embedder."""

    def __init__(
        self,
        source: str,
        runtime: Runtime,
        *,
        expected: Model | None,
        calibrated_network: CalibratedNetwork | None,
    ) -> None:
        self.loaded: Loaded | None = None
        self.notify = runtime.notify
        self._source = source
        self._runtime = runtime
        self._precision = expected.precision if expected else runtime.precision
        self._expected = expected
        self._calibrated_network = calibrated_network

    def weights(self) -> zoo.Weights:
        """Find the weights; raises ModelMismatchError for others than expected."""
        weights = zoo.resolve(self._source)
        if self._expected and weights.sha256 != self._expected.sha256:
            raise _other_weights(self._expected, weights)
        return weights

    def checkpoint(self) -> LazyCheckpoint:
        """Find the weights, for the input size of the index; raises ModelMismatchError for others than expected."""
        expected, chosen = self._expected, self._runtime.input_size
        if expected:
            return LazyCheckpoint(self.weights(), (expected.height, expected.width))
        return LazyCheckpoint(self.weights(), (chosen, chosen) if chosen else None)

    def use(self, network: CalibratedNetwork) -> None:
        """Run the network that was calibrated for this index from now on."""
        if network != self._calibrated_network:
            self._calibrated_network, self.loaded = network, None

    def load(self) -> Loaded:
        """Return the network ready to run; loaded once."""
        if self.loaded is None:
            self.loaded = self._load_calibrated() if self._precision == INT8 else self._load_weights()
        return self.loaded

    def engine(self) -> Engine:
        """Return what runs the network, loaded.

        Raises ModelError in a process that was forked after it was loaded: the engine's threads stayed behind, and
        waiting for them would never end.
        """
        loaded = self.load()
        if loaded.process != os.getpid():
            raise ModelError(
                "this process was forked from one that had loaded the network, which cannot run here",
                Remedy.FORK_EARLIER,
            )
        return loaded.engine

    def _load_weights(self) -> Loaded:
        checkpoint = self.checkpoint()
        weights = checkpoint.weights
        if weights.note:
            self.notify(weights.note)
        engine = registry.start(
            checkpoint, engine=self._runtime.engine, device=self._runtime.device, precision=self._precision
        )
        head = head_of(checkpoint)
        model = Model(
            name=weights.name,
            source=weights.source,
            sha256=weights.sha256,
            height=engine.transform.height,
            width=engine.transform.width,
            dimension=head.dimension,
            classes=len(head.labels),
            precision=engine.precision,
            label_kind=head.label_kind,
        )
        return Loaded(engine, model, head, os.getpid())

    def _load_calibrated(self) -> Loaded:
        network = self._calibrated_network
        if self._expected is None or network is None:
            raise ModelError(
                "int8 needs a network calibrated on your own photos, which an index keeps", Remedy.CALIBRATE
            )
        engine = calibrated.start(network, self._runtime.engine, self._runtime.device)
        try:
            head = Head.load(network.folder / HEAD_NAME)
        except CheckpointError:  # lost: only now are the weights looked for
            head = head_of(self.checkpoint())
        return Loaded(engine, self._expected, head, os.getpid())


def _other_weights(expected: Model, found: zoo.Weights) -> ModelMismatchError:
    if expected.source == COMPACT == found.source:
        return ModelMismatchError(
            f"this index was made with the compact model of another version (sha256 {expected.sha256[:12]}...)",
            Remedy.NEW_INDEX,
        )
    return ModelMismatchError(
        f"this index was made with {expected.name} (sha256 {expected.sha256[:12]}...), but {found.path} has sha256 "
        f"{found.sha256[:12]}...",
        Remedy.SAME_MODEL_OR_NEW_INDEX,
    )
