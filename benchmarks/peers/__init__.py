"""Training frameworks, each with everything switched off that costs time and can be."""
