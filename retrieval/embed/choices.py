"""What an Embedder can be asked for by name. Loads no engine, so that a command line can list the names at once."""

from retrieval.engines import registry

ENGINES = registry.names()
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")
