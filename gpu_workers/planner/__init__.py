"""Backlog work of a PM agent: an order, a sprint plan or a roadmap, checked by the program and decided by a person."""
