"""Archives of many files, taken apart without trusting them."""
