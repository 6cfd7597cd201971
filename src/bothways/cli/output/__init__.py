"""What commands print, by common rules: at a terminal, in a pipe, and while they run."""
