"""Makes the compact model: `python -m retrieval.training`."""

from retrieval.training.cli import main

main()
