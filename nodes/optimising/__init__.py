"""What `ossicle.optimise` is made of: the account of a plan (layers, memory, reasons), its session and its report."""
