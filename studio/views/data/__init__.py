"""From artifact files to what the views draw: plain data and numpy only, no widgets."""
