"""Which network an embedder runs: found, held against what an index expects, and loaded when it is first needed."""

from collections.abc import Callable
from typing import NamedTuple

from retrieval.engines import registry
from retrieval.engines.openvino.calibrated import Kept
from retrieval.engines.registry import INT8, Engine
from retrieval.errors import ModelError, ModelMismatchError
from retrieval.manifest import Model
from retrieval.models import zoo
from retrieval.models.head import Head
from retrieval.models.known import COMPACT


class Loaded(NamedTuple):
    """A network that is ready to run."""

    engine: Engine
    model: Model
    head: Head


class Network:
    """One network, by what a user or an index says of it; the arguments are those of Embedder."""

    def __init__(
        self,
        source: str,
        *,
        engine: str,
        device: str,
        precision: str,
        expected: Model | None,
        kept: Kept | None,
        notify: Callable[[str], None],
    ) -> None:
        self.loaded: Loaded | None = None
        self.notify = notify
        self._source = source
        self._engine = engine
        self._device = device
        self._precision = expected.precision if expected else precision
        self._expected = expected
        self._kept = kept

    def weights(self) -> zoo.Weights:
        """Find the weights, and refuse others than expected."""
        weights = zoo.resolve(self._source)
        if self._expected and weights.sha256 != self._expected.sha256:
            raise ModelMismatchError(_other_weights(self._expected, weights))
        return weights

    def use(self, kept: Kept) -> None:
        """Run the network that was calibrated for this index from now on."""
        if kept != self._kept:
            self._kept, self.loaded = kept, None

    def load(self) -> Loaded:
        """The network ready to run; loaded once."""
        if self.loaded is None:
            self.loaded = self._load_weights()
        return self.loaded

    def _load_weights(self) -> Loaded:
        if self._precision == INT8:
            return self._load_kept()
        weights = self.weights()
        if weights.note:
            self.notify(weights.note)
        engine, head, label_kind = registry.start(
            weights, engine=self._engine, device=self._device, precision=self._precision
        )
        model = Model(
            name=weights.name,
            source=weights.source,
            sha256=weights.sha256,
            height=engine.transform.height,
            width=engine.transform.width,
            dimension=head.weight.shape[1],
            classes=len(head.labels),
            precision=engine.precision,
            label_kind=label_kind,
        )
        return Loaded(engine, model, head)

    def _load_kept(self) -> Loaded:
        if self._expected is None or self._kept is None:
            raise ModelError(
                "int8 wants a network calibrated on your own photos, which an index keeps: make one with "
                "`retrieval index FOLDER --precision int8`, or choose another precision here."
            )
        engine, head, _ = registry.start_kept(self._kept, self.weights, engine=self._engine, device=self._device)
        return Loaded(engine, self._expected, head)


def _other_weights(expected: Model, found: zoo.Weights) -> str:
    if expected.source == COMPACT == found.source:
        what = "this index was made with the compact model of another version"
        return f"{what} (sha256 {expected.sha256[:12]}...): index into a new folder with --index"
    return (
        f"this index was made with {expected.name} (sha256 {expected.sha256[:12]}...), but {found.path} has sha256 "
        f"{found.sha256[:12]}...: give the same weights with --model, or index into a new folder with --index"
    )
