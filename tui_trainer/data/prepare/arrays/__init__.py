"""Arrays in HDF5 and NumPy files, and samples of a user's own class."""
