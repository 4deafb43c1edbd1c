"""Signal processing: front ends and audio files. Pure functions over arrays; knows nothing of the engine."""
