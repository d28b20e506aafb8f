"""What brings an index up to date and keeps it sound: update, calibrate, verify."""
