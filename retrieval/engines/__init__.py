"""What runs a network: each engine turns images into features and logits."""
