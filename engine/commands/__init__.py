"""The sub-commands of `ossicle`: thin fronts over the engine's functions, each module imported when it is called."""
