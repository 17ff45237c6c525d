"""Checks that runbooks name: plain functions that answer with a verdict and its figures."""
