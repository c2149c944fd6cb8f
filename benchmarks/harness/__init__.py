"""The benchmark harness: suites as frozen specifications, resumable runs, records with provenance."""
