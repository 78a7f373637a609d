"""What frozen layers make of an example, computed once."""
