"""Run the load tests: ``python -m benchmarks.locust``."""

from benchmarks.locust.run import main

main()
