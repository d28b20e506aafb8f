"""What is asked about every image of a query: one record from the command line to the search."""

from dataclasses import dataclass
from typing import TypedDict

from retrieval.errors import QueryError
from retrieval.filters import Filter


class QuestionOptions(TypedDict, total=False):
    """The keyword arguments of Index.query, besides `k`: the fields of Question."""

    min_score: float | None
    top: int
    hide_duplicates: bool
    filter: Filter | None
    other_species: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about every image of a query. Raises QueryError for numbers that make no sense."""

    k: int = 20  # hits
    min_score: float | None = None  # cosine similarity, -1 to 1
    top: int = 5  # predictions for the query image itself
    hide_duplicates: bool = False  # one hit of each near-identical cluster, bursts included
    filter: Filter | None = None  # which photos may be found
    other_species: bool = False  # only photos of another species than the query image's own

    def __post_init__(self) -> None:
        for name, least in (("k", 1), ("top", 0)):
            value = getattr(self, name)
            if type(value) is not int or value < least:
                raise QueryError(f"{name} is {value!r}: it must be a whole number from {least} on")
        score = self.min_score
        if score is not None and not (_is_number(score) and -1 <= score <= 1):
            raise QueryError(f"min_score is {score!r}: it must be a number from -1 to 1")
        if self.filter is not None and not isinstance(self.filter, Filter):
            raise QueryError(f"filter is {self.filter!r}: it must be a Filter")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
