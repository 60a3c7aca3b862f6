"""genjax against its peers on the same work."""
