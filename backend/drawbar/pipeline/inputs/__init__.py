"""What a build reads: composed music, recordings, tables of clips."""
