"""What photo files hold beyond one 8-bit picture, by their structure."""
