"""From a trained network to firmware that was run: what the node `ossicle.firmware` and `ossicle firmware` share."""
