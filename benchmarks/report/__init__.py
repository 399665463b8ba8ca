"""Pictures and pages, made from the files of raw results and from nothing else."""
