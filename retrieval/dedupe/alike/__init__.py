"""Whether two files show one picture: the embedding and local features propose, pixels decide."""
