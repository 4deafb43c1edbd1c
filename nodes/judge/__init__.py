"""Judging models: curves and operating points, paired comparison, attribution, long recordings. Knows no engine."""
