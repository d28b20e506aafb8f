"""What was measured of an IVF index, kept as JSON beside it: `ivf.json`."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from retrieval.durable import replacing
from retrieval.errors import QueryError
from retrieval.search.protocol import OperatingPoint
from retrieval.search.targets import Targets

RENAMED = {"target_memory_bytes": "wished_memory"}  # fields by their names in 0.1.0
NEW = {"checksums": ""}  # fields that 0.1.0 did not write


@dataclass(frozen=True, slots=True)
class IvfPoint:
    """One way of searching, with the recall it reaches and the time it takes."""

    nprobe: int  # lists searched
    shortlist: int  # rows scored again exactly; 0 where every score is exact
    recall: float  # mean over the sample, 0 to 1
    ms: float  # milliseconds of a single query, median, when it was measured

    def neutral(self) -> OperatingPoint:
        """Return it as it leaves this engine."""
        return OperatingPoint(self.recall, self.ms, {"nprobe": self.nprobe, "shortlist": self.shortlist})


@dataclass(frozen=True, slots=True)
class Measurement:
    """How an index is searched, how good that was measured to be, and for which contents of it."""

    rows: int  # rows 0 to rows - 1 are covered
    size: int  # of them in the index; the others were dead when it was made
    trained_rows: int  # rows there were when its lists were made
    measured_rows: int  # rows there were when this was measured
    lists: int
    nprobe: int  # lists searched for each query
    shortlist: int  # rows scored again exactly, for k; 0 where every score is exact
    recall: float  # mean over the sample, at k
    target_recall: float
    k: int
    sample: int  # queries; fewer than asked for where there are fewer vectors
    imbalance: float  # of the lists' sizes when they were made: 1 if all are alike
    code: str  # how vectors are stored, in words
    memory_bytes: int  # held while searching, without what is mapped
    target_memory_bytes: int | None  # None for the default
    sha256: str  # of the index' file; empty before it is saved
    checksums: str  # digest of the checksums in the index' file; empty before it is saved
    curve: tuple[IvfPoint, ...]  # the cheapest ways to rising recalls

    @property
    def targets(self) -> Targets:
        """What it was made for."""
        return Targets(self.target_recall, self.k, self.target_memory_bytes)

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        with replacing(path) as partial:
            partial.write_text(json.dumps(asdict(self), indent=2, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Measurement | None":
        """Read what was saved; None where nothing was, or where it makes no sense."""
        try:
            values = {**NEW, **json.loads(path.read_bytes())}
            values |= {new: values[old] for new, old in RENAMED.items() if new not in values}
            points = tuple(IvfPoint(**point) for point in values["curve"])
            found = cls(**{field.name: values[field.name] for field in fields(cls)} | {"curve": points})
            return found if found._is_sensible() else None
        except (FileNotFoundError, ValueError, TypeError, KeyError, QueryError):
            return None

    def _is_sensible(self) -> bool:
        """Tell whether each field has its type and a value that can be; raises QueryError for impossible targets."""
        return (
            all(_typed(record) for record in (self, *self.curve))
            and self.targets.k == self.k
            and 0 <= self.size <= self.rows
            and 1 <= self.nprobe <= self.lists
            and min(self.trained_rows, self.measured_rows, self.sample, self.shortlist, self.memory_bytes) >= 0
            and all(0 <= recall <= 1 for recall in (self.recall, *(point.recall for point in self.curve)))
            and self.imbalance > 0
        )


def _typed(record: Any) -> bool:
    """Tell whether each field has the type that it was declared with; numbers must be finite."""
    return all(_is(getattr(record, field.name), field.type) for field in fields(record) if isinstance(field.type, type))


def _is(value: object, kind: type) -> bool:
    if isinstance(value, bool):
        return False
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)
