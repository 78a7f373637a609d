"""What training learns from: sources as examples, their order, and what must fit before the first step."""
