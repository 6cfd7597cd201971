"""Worker processes of one service, kept alive, replaced and ended by a process above them that serves nobody itself."""
