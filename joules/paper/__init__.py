"""From tables to the paper: verdicts on claims, values, prose that is checked, and the PDF."""
