"""The sampling loop, the files of images it leaves, and the search for a plan."""
