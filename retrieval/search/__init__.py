"""Nearest neighbours among unit vectors: the FAISS IVF index, and exact search as its judge."""
