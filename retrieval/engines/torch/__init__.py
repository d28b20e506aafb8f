"""Networks run by torch, on a CPU, CUDA or Metal."""
