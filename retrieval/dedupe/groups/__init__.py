"""Groups files that match, and chooses which file of each group stays."""
