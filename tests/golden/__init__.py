"""Bodies of real senders, recorded once by `python -m tests.golden.record` and replayed by test_golden."""
