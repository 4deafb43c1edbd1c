"""What the nodes that train share: the task, the clips, the session and the model that comes out."""
