"""The network, the files its weights come in, and the names they go by."""
