"""The open workflow and its edits: pure functions and one observable document. No widgets."""
