"""A third engine, as whoever adds one writes it: NumPy alone runs the network. Small networks only: it is slow."""
