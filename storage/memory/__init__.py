"""The rows of memories: shelves, words, vectors, and the store that keeps them together."""
