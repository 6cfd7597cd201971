"""Key schedules, transcript, exporter and key log (RFC 9846 7, RFC 5246 6.3)."""
