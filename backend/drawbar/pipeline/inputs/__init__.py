"""What a build reads: composed music, folders of recordings, tables of clips."""
