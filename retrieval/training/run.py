"""A run of training from its beginning, or from where it stood, to its end: what is measured, logged and kept."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.training import state
from retrieval.training.evaluation import Evaluation
from retrieval.training.plan import Budget
from retrieval.training.trainer import Step, Trainer

LOG = "log.jsonl"
_PAUSE_S = 2.0  # between looks at the pause file
_CURVE_POINTS = 100  # at most; every other one is dropped when there are more

Entry = dict[str, Any]  # one line of the log: plain JSON values


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a call does beside learning; none of it changes what is learnt."""

    work: Path  # folder of the state and the log
    budget: Budget
    stop_after_s: float | None = None  # ends this call, not the run
    save_every_s: float = 600.0
    log_every_s: float = 15.0
    evaluate_every_s: float = 1200.0
    pause_file: Path | None = None  # while it exists, nothing is done


def train(
    trainer: Trainer,
    settings: RunSettings,
    *,
    evaluation: Evaluation | None = None,
    report: Callable[[Entry], None] = lambda _entry: None,
    stopped: Callable[[], bool] = lambda: False,
) -> bool:
    """Go on with the run of a work folder, or begin it; tell whether it has reached its end.

    `report` is given every entry of the log; `stopped` is asked before each step. However the call ends, its state is
    written first. Raises CheckpointError where the folder holds the state of another run, and OSError.
    """
    settings.work.mkdir(parents=True, exist_ok=True)
    return _Run(trainer, settings, evaluation, report, stopped).go()


class _Run:
    """One call's clocks; everything that lasts is the trainer's."""

    def __init__(
        self,
        trainer: Trainer,
        settings: RunSettings,
        evaluation: Evaluation | None,
        report: Callable[[Entry], None],
        stopped: Callable[[], bool],
    ) -> None:
        self.trainer = trainer
        self.settings = settings
        self.evaluation = evaluation
        self.report = report
        self.stopped = stopped
        self.began = self.saved = self.logged = self.evaluated = time.monotonic()
        self.views_logged = 0
        self.seconds_logged = 0.0

    def go(self) -> bool:
        earlier = state.load(self.settings.work)
        if earlier is not None:
            self.trainer.restore(earlier)
        self._mark_logged()
        self._write({"event": "resumed" if earlier else "begun", **self._where()})
        try:
            while (spent := self._spent()) < 1 and not self._must_stop():
                self._wait_while_paused()
                self._learn(spent)
            if self._spent() >= 1:
                self._evaluate()
        finally:  # whatever went wrong, what was learnt is kept
            self._save()
        self._write({"event": "finished" if self._spent() >= 1 else "stopped", **self._where()})
        return self._spent() >= 1

    def _learn(self, spent: float) -> None:
        started = time.monotonic()
        step = self.trainer.step(spent)
        now = time.monotonic()
        self.trainer.position.seconds += now - started
        if now - self.logged >= self.settings.log_every_s:
            self._log(step)
        if now - self.evaluated >= self.settings.evaluate_every_s:
            self._evaluate()
        if now - self.saved >= self.settings.save_every_s:
            self._save()

    def _log(self, step: Step) -> None:
        position = self.trainer.position
        seconds = max(1e-9, position.seconds - self.seconds_logged)
        entry = {
            **self._where(),
            "stage": str(step.moment.stage),
            "rate": _short(step.moment.rate),
            "loss": _short(step.losses.total.item()),
            "gradient": _short(step.gradient.item()),
            "parts": {name: _short(value.item()) for name, value in step.losses.parts.items()},
            "blocks": [_short(error) for error in step.losses.blocks.tolist()],
            "views_per_s": _short((position.views - self.views_logged) / seconds),
        }
        self._mark_logged()
        self._write(entry)
        keep = ("views", "stage", "loss", "parts")
        self._add_to_curve({key: entry[key] for key in keep})

    def _evaluate(self) -> None:
        if self.evaluation is None:
            return
        accuracy = self.evaluation.accuracy(self.trainer.student, self.trainer.average.weights)
        entry = {**self._where(), "accuracy": _short(accuracy)}
        self._write(entry)
        self._add_to_curve({key: entry[key] for key in ("views", "accuracy")})
        self.evaluated = time.monotonic()

    def _save(self) -> None:
        state.save(self.settings.work, self.trainer.state())
        self.saved = time.monotonic()

    def _spent(self) -> float:
        position = self.trainer.position
        return self.settings.budget.spent(position.views, position.seconds)

    def _must_stop(self) -> bool:
        limit = self.settings.stop_after_s
        return self.stopped() or (limit is not None and time.monotonic() - self.began >= limit)

    def _wait_while_paused(self) -> None:
        while self.settings.pause_file and self.settings.pause_file.exists() and not self._must_stop():
            time.sleep(_PAUSE_S)

    def _where(self) -> Entry:
        position = self.trainer.position
        return {
            "spent": round(self._spent(), 5),
            "steps": position.steps,
            "views": position.views,
            "seconds": round(position.seconds, 1),
        }

    def _mark_logged(self) -> None:
        self.logged = time.monotonic()
        self.views_logged, self.seconds_logged = self.trainer.position.views, self.trainer.position.seconds

    def _write(self, entry: Entry) -> None:
        with (self.settings.work / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self.report(entry)

    def _add_to_curve(self, point: Entry) -> None:
        curve = self.trainer.position.curve
        curve.append(point)
        if len(curve) > _CURVE_POINTS:
            self.trainer.position.curve = [p for number, p in enumerate(curve) if "accuracy" in p or number % 2 == 0]


def _short(value: float) -> float:
    """Four digits: a log is read by people too."""
    return float(f"{value:.4g}")
