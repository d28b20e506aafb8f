"""What runs a network: each engine turns images into features. Logits and predictions are `models.head`'s.

A third engine is one new folder and one line in `registry`. The folder has a module like `torch/engine.py`, which keeps
`protocol.EngineModule`: `precisions()` says what the engine computes in here, and `start()` loads a network into an
`Engine`. Nothing else names engines: indexing, queries and the command line's choices follow from the registry.
"""
