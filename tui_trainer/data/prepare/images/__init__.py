"""Images from files of many formats, decoded to one form."""
