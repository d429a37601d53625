"""Records of runs -> tables. A module bears the name of its CSV file."""
