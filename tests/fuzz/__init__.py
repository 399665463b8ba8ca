"""The fuzzer: SQL text and tokens nobody would write, by the thousand; `make fuzz` runs it for long."""
