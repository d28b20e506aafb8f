"""Folders of photos as files: which count, what they hold, which are one shot. Nothing here decodes or writes."""
