"""Measurements: each module runs by itself and prints ratios, and none is part of the test suite."""
