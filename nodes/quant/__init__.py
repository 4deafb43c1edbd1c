"""Quantization: calibration, int8 models for onnxruntime, and how far they stray from the float model."""
