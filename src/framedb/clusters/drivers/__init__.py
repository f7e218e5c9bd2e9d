"""One file per place where clusters run."""
