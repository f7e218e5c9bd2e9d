"""To be filled: rtsp."""
