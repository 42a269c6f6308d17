"""What a look costs, beside the least it could cost and beside the tools that people use instead.

``python -m benchmarks`` runs all of them, which takes some minutes, ``python -m benchmarks A B`` some of them;
``--write`` writes docs/benchmarks.md.
"""
