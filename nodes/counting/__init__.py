"""What can be counted without data: networks, front ends, arithmetic on printed numbers, which device holds what."""
