"""Numbers: the 16-bit fixed-point grid, integer quantizers, and ranges read off calibration speech."""
