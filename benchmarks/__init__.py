"""Measurements: each module runs by itself and prints ratios; none is a test."""
