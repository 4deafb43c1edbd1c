"""Models for devices: signed by The Update Framework, put into one of two slots, tried before they count."""
