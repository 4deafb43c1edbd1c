"""Property panel: an editor for every parameter, made from the node type's JSON schema."""
