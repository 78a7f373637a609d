"""Guards against forgetting, one per file, and what all of them together do to a stage."""
