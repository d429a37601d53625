"""Images in, images out: data sets as files."""
