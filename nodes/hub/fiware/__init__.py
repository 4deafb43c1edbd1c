"""FIWARE: what a hub knows, in a context broker that speaks NGSI-v2, and commands through IoT agents."""
