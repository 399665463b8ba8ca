"""What isolation costs: benchmarks whose every figure regenerates from a file of raw results."""
