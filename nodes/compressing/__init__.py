"""What quantize and sensitivity share: clips, both families of numbers, fine-tuning, and the report."""
