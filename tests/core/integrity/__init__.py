"""Tests of core.integrity."""
