//! Bundles, the relup planner and the relup checker.
