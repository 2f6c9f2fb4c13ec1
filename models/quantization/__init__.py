"""Number formats: the 16-bit fixed-point grid, integer quantizers, and ranges from calibration speech."""
