"""What a service answers, read as far as it says whether it accepts us: no causes yet."""
