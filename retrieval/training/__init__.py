"""Making the compact model: a small student network that learns from a teacher's activations on views of pictures.

Nothing else of the package needs it; `python -m retrieval.training` is its command line.
"""
