"""Do predictions hold? Real runs of llama.cpp over delayed links, and an emulation of any placement on real weights."""
