"""A run of distillation from its beginning, or from where it stood, to its end: what is measured, logged and kept."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.training import state
from retrieval.training.distil import Distiller, Taught
from retrieval.training.species_evaluation import SpeciesEvaluation

LOG = "log.jsonl"
Entry = dict[str, Any]  # one line of the log: plain JSON values


@dataclass(frozen=True, slots=True)
class Phase:
    """How the student looks at views."""

    image_size: int  # pixels
    kept: float = 1.0  # share of the patches


@dataclass(frozen=True, slots=True)
class DistilRunSettings:
    """When a call ends and what it does beside learning.

    The rate is constant until `cooldown` is left, then falls to nothing in a straight line. How long the run is can
    thus be decided while it is under way. A run has an end in views, in time, or both: what comes first.
    """

    work: Path  # folder of the state and the log
    constant: Phase
    cooling: Phase
    views: int | None = None
    cooldown_views: int = 20_000
    until: float | None = None  # seconds since the epoch
    cooldown_s: float = 1800.0
    save_every_s: float = 300.0
    log_every_s: float = 30.0
    evaluate_every_s: float = 1200.0
    fitted: int = 1024  # views that the maps are fitted to before the first step


def train(
    distiller: Distiller,
    settings: DistilRunSettings,
    *,
    evaluation: SpeciesEvaluation | None = None,
    report: Callable[[Entry], None] = lambda _entry: None,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Go on with the run of a work folder, or begin it; tell whether it has reached its end.

    `report` is given every entry of the log; `stopped` is asked before each step. However the call ends, the state is
    written. Raises CheckpointError where the folder holds the state of another run, and OSError.
    """
    settings.work.mkdir(parents=True, exist_ok=True)
    return _Run(distiller, settings, evaluation, report).go(stopped)


class _Run:
    def __init__(
        self,
        distiller: Distiller,
        settings: DistilRunSettings,
        evaluation: SpeciesEvaluation | None,
        report: Callable[[Entry], None],
    ) -> None:
        self.distiller = distiller
        self.settings = settings
        self.evaluation = evaluation
        self.report = report
        self.saved = self.logged = self.evaluated = time.monotonic()
        self.views_logged = 0

    def go(self, stopped: Callable[[], bool]) -> bool:
        self._begin()
        try:
            while (left := self.left()) > 0 and not stopped():
                self._learn(left)
            if self.left() <= 0:
                self._look(self.settings.cooling)
                self._evaluate()
        finally:  # whatever went wrong, what was learnt is kept
            self._save()
        finished = self.left() <= 0
        self._write({"event": "finished" if finished else "stopped", **self._where()})
        return finished

    def left(self) -> float:
        """What is left of the run, in cooldowns."""
        settings = self.settings
        left = [float("inf")]
        if settings.views is not None:
            left.append((settings.views - self.distiller.position.views) / max(1, settings.cooldown_views))
        if settings.until is not None:
            left.append((settings.until - time.time()) / max(1e-9, settings.cooldown_s))
        return min(left)

    def _begin(self) -> None:
        earlier = state.load(self.settings.work)
        if earlier is not None:
            self.distiller.restore(earlier)
        else:
            self._look(self.settings.constant)
            self.distiller.fit_maps(self.settings.fitted)
        self.views_logged = self.distiller.position.views
        self._write({"event": "resumed" if earlier else "begun", **self._where()})
        self._evaluate()

    def _learn(self, left: float) -> None:
        phase = self.settings.constant if left >= 1 else self.settings.cooling
        self._look(phase)
        started = time.monotonic()
        taught = self.distiller.step(min(1.0, left), phase.kept)
        now = time.monotonic()
        self.distiller.position.seconds += now - started
        if now - self.logged >= self.settings.log_every_s:
            self._log(taught)
        if now - self.saved >= self.settings.save_every_s:
            self._save()
            self.distiller.batches.refresh()
        if now - self.evaluated >= self.settings.evaluate_every_s:
            self._evaluate()

    def _look(self, phase: Phase) -> None:
        if self.distiller.image_size != phase.image_size:
            self.distiller.resize(phase.image_size)

    def _log(self, taught: Taught) -> None:
        position, now = self.distiller.position, time.monotonic()
        self._write(
            {
                **self._where(),
                "loss": _short(taught.loss.item()),
                "parts": {name: _short(value.item()) for name, value in taught.parts.items()},
                "gradient": _short(taught.gradient.item()),
                "rate": _short(taught.rate),
                "views_per_s": _short((position.views - self.views_logged) / max(1e-9, now - self.logged)),
            }
        )
        self.logged, self.views_logged = now, position.views

    def _evaluate(self) -> None:
        if self.evaluation is not None:
            measured = asdict(self.evaluation.measure(self.distiller.student, self.distiller.average.weights))
            point = {"views": self.distiller.position.views, "image_size": self.distiller.image_size, **measured}
            self.distiller.position.curve.append(point)
            self._write({**self._where(), **point})
        self.evaluated = time.monotonic()

    def _save(self) -> None:
        state.save(self.settings.work, self.distiller.state())
        self.saved = time.monotonic()

    def _where(self) -> Entry:
        position = self.distiller.position
        return {
            "time": time.strftime("%H:%M:%S", time.gmtime()),
            "steps": position.steps,
            "views": position.views,
            "seconds": round(position.seconds, 1),
        }

    def _write(self, entry: Entry) -> None:
        with (self.settings.work / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.report(entry)


def _short(value: float) -> float:
    """Four digits: a log is read by people too."""
    return float(f"{value:.4g}")
