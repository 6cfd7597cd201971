"""Worker processes of one service, started, replaced and ended by a supervisor process."""
