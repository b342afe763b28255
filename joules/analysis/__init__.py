"""From records to tables, statistics, figures, values and claims. Nothing here measures."""
