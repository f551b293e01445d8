//! What a node remembers: journal, state snapshots, blobs and the switch record.
