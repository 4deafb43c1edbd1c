"""Cloud processing: a device sends its sound, the hub hears it and answers; and when that is the better way."""
