"""Run the micro benchmarks: ``python -m benchmarks.micro``."""

from benchmarks.micro.run import main

main()
