"""A stream of photos to a stream of whole records: decoding in threads ahead of the network, one pass a photo."""
