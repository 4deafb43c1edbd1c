"""What outlives the window: settings, recent files, the journal, and changes of the file by others."""
