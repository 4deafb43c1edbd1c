"""How everything looks: colours, shapes, icons and fonts, all from the engine's one table."""
