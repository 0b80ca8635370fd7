"""Trains the model of texture kinds."""
