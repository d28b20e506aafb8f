"""`python -m retrieval`."""

from retrieval.cli import main

main()
