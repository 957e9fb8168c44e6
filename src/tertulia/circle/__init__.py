"""The machine: paths, meetings, the board, the vote, the journal."""
