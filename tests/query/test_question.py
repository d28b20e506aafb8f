import pytest

from retrieval.errors import QueryError
from retrieval.filters import Filter
from retrieval.query.question import Question, QuestionOptions


@pytest.mark.parametrize(
    "fields",
    [
        *({"k": k} for k in (0, -1, 2.5, "5", None, True)),
        *({"top": top} for top in (-1, 1.5, None, False)),
        *({"min_score": score} for score in (float("nan"), 1.01, -2, "0.5", True)),
        {"filter": {"species": "a"}},
    ],
)
def test_values_that_make_no_sense_are_named(fields):
    (name,) = fields
    with pytest.raises(QueryError, match=f"{name} is "):
        Question(**fields)


def test_the_ends_of_ranges_are_allowed():
    for fields in ({"k": 1}, {"top": 0}, {"min_score": -1}, {"min_score": 1.0}, {"filter": Filter()}):
        assert Question(**fields) == Question(**fields)


def test_options_are_the_fields_besides_k():
    assert {"k", *QuestionOptions.__annotations__} == set(Question.__dataclass_fields__)
