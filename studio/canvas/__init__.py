"""The graph on screen: NodeGraphQt as a view only; the document is the truth."""
