"""What the sparsify node does: read, learn in rounds, take weights or channels away, tell."""
