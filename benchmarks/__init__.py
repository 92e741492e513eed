"""Side-by-side measurements of Nucleus and its peers: ``python -m benchmarks --help``."""
