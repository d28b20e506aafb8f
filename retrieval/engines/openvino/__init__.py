"""Networks run by OpenVINO on a CPU."""
