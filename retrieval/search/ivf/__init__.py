"""VectorSearch by FAISS: an inverted file (IVF) in one file beside the vectors. FAISS is imported nowhere else."""
