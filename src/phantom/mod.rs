//! Synthetic CT with a known truth.
