"""Between the search node and the search library: trials trained in this process or in others, report, workflows."""
