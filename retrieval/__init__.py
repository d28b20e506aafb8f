"""Find photos like this one, learn the species, and clear out duplicates in large photo archives.

The public names load on first use: `import retrieval` alone costs neither torch nor FAISS.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from retrieval.embed.embedder import Embedder
    from retrieval.errors import RetrievalError
    from retrieval.filters import Filter
    from retrieval.index import Index
    from retrieval.records import Answer, Embedding, Failure, Hit, Prediction, Report

__version__ = "0.1.0"

_HOMES = {
    "Index": "retrieval.index",
    "Embedder": "retrieval.embed.embedder",
    "Answer": "retrieval.records",
    "Hit": "retrieval.records",
    "Prediction": "retrieval.records",
    "Embedding": "retrieval.records",
    "Failure": "retrieval.records",
    "Report": "retrieval.records",
    "Filter": "retrieval.filters",
    "RetrievalError": "retrieval.errors",
}

__all__ = [
    "Answer",
    "Embedder",
    "Embedding",
    "Failure",
    "Filter",
    "Hit",
    "Index",
    "Prediction",
    "Report",
    "RetrievalError",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'retrieval' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
