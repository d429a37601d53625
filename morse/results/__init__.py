"""Records of runs -> tables. A module has the name of its CSV file."""
