"""An image or a filter to an answer: names resolved, known photos looked up, distinct hits."""
