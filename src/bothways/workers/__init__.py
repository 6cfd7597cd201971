"""Worker processes of one service, started, replaced and stopped by a supervisor process."""
