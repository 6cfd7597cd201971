"""Which of the trusted peers may connect: rules about what was verified, and expressions of CEL."""
