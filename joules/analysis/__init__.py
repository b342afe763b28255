"""From records to tables, statistics and figures. Nothing here measures."""
