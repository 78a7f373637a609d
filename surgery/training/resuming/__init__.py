"""What of a training outlives its process: checkpoints, and stages that are done."""
